package capture

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// maxLife bounds what Capture can say of a token's life; the real service says
// an hour at most (contract section 4).
const maxLife = 24 * time.Hour

// readTokens reads an answer of oauth/token. Life 0 means that Capture named
// none, or one that cannot be read. The tokens are good all the same, and there
// is no second chance to get them.
func readTokens(body []byte) (tokens Tokens, ok bool) {
	var answer struct {
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Seconds json.RawMessage `json:"expires_in"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return Tokens{}, false
	}
	tokens = Tokens{Access: secret.New(answer.Access), Refresh: secret.New(answer.Refresh)}
	if !usable(tokens.Access) || !tokens.Refresh.Empty() && !usable(tokens.Refresh) {
		return Tokens{}, false
	}
	text := strings.Trim(string(answer.Seconds), "\" ") // a number, or a text that holds one
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		tokens.Life = time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second))
	}
	return tokens, true
}

func readUUID(body []byte) (string, bool) {
	var answer struct {
		Result struct {
			UUID string `json:"uuid"`
		} `json:"result"`
	}
	err := json.Unmarshal(body, &answer)
	return answer.Result.UUID, err == nil && plausibleUUID(answer.Result.UUID)
}

func readAccessToken(body []byte) (secret.String, bool) {
	var answer struct {
		AccessToken string `json:"accessToken"`
	}
	err := json.Unmarshal(body, &answer)
	token := secret.New(answer.AccessToken)
	return token, err == nil && usable(token)
}
