package redis

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// What Redis 7 and the library say, to the letter, and what an operator is told
// to do.
func TestDiagnosisNamesTheRemedy(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{errors.New("ERR The user executing the script can't run this command or subcommand script: 54d20b"),
			"docs/operations.md has the rights"},
		{fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", errors.Join(goredis.Nil)),
			"SENTINEL MASTERS"},
		{errors.New("redis: all sentinels specified in configuration are unreachable: ERR unknown command " +
			"'sentinel', with args beginning with: 'get-master-addr-by-name'"), "no sentinel"},
		{errors.New("ERR unknown command 'evalsha', with args beginning with: '54d2'"), "redis-sentinel://"},
		{errors.New("redis: all sentinels specified in configuration are unreachable: EOF"), ""},
		{goredis.Nil, ""},
	} {
		if got := diagnosis(tc.err); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
