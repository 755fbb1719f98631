package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// Each script touches one key, so that it runs on any node of a cluster, and
// is atomic: nothing else runs in Redis meanwhile. All numbers cross as text:
// Lua's are doubles, and a version has 64 bits.

// script is Lua and the name that EVALSHA calls it by.
type script struct{ text, hash string }

func newScript(text string) script {
	hash := sha1.Sum([]byte(text)) // Redis's choice; it protects nothing here
	return script{text: text, hash: hex.EncodeToString(hash[:])}
}

// What the scripts answer.
const (
	done    = "done"
	taken   = "taken"
	absent  = "absent"
	differs = "differs"
	broken  = "broken"
)

// insertScript writes a row that is not there.
// KEYS: the row. ARGV: version, owner, expires, value, when Redis may drop it.
var insertScript = newScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 'taken' end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'owner', ARGV[2], 'expires', ARGV[3], 'value', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 'done'
`)

// replaceScript writes over the version before; it never makes a row.
// KEYS: the row. ARGV: as insertScript, and the version that has to be there.
var replaceScript = newScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 'absent' end
if kind ~= 'hash' then return 'broken' end
local old = redis.call('HMGET', KEYS[1], 'version', 'owner', 'expires', 'value')
if not (old[1] and string.find(old[1], '^%d+$')) or not (old[2] and #old[2] == 32)
  or not (old[3] and string.find(old[3], '^%-?%d+$')) or not old[4] then return 'broken' end
if old[1] ~= ARGV[6] or old[2] ~= ARGV[2] then return 'differs' end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'expires', ARGV[3], 'value', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 'done'
`)

// indexScript sees to it that a row is found by its owner until at least a
// given time, and drops the entries whose time is over. It uses Redis's clock,
// which is the one that drops the rows. GT: a slower writer with an earlier
// time takes nothing back.
// KEYS: the index. ARGV: the row's key, until when.
var indexScript = newScript(`
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now[1] * 1000))
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2])) end
return 'done'
`)

// removeOwnedScript deletes a row unless it is another owner's. What cannot be
// read goes too: a revoked session must not come back, however its row looks
// now.
// KEYS: the row. ARGV: the owner.
const removeOwnedScript = `
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  local owner = redis.call('HGET', KEYS[1], 'owner')
  if owner and #owner == 32 and owner ~= ARGV[1] then return 0 end
end
return redis.call('DEL', KEYS[1])
`

// once is a command that is sent at most once. A script whose answer was lost
// may have run; running it again would tell the writer about a conflict with
// itself.
type once struct{ *goredis.Cmd }

func (once) NoRetry() bool { return true }

var errAnswer = errors.New("an answer that none of our scripts gives: is there a proxy in between that changes them?")

// run calls a script by its hash, or, where the server does not know that yet
// (a new one, a restart, SCRIPT FLUSH), in full. It returns the answer.
func (b *Backend) run(ctx context.Context, s script, key string, args ...any) (string, error) {
	call := func(name, what string) (any, error) {
		cmd := once{goredis.NewCmd(ctx, append([]any{name, what, 1, key}, args...)...)}
		_ = b.client.Process(ctx, cmd) // the command has the error, too
		return cmd.Result()
	}
	answer, err := call("evalsha", s.hash)
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, err = call("eval", s.text)
	}
	if err != nil {
		return "", err
	}
	text, ok := answer.(string)
	if !ok {
		return "", fmt.Errorf("%w (it is a %T)", errAnswer, answer)
	}
	return text, nil
}
