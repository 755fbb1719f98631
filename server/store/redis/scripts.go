package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// Each script touches keys of one slot, so that it runs on any node of a cluster, and
// is atomic: nothing else runs in Redis meanwhile. All numbers cross as text:
// Lua's are doubles, and a version has 64 bits.

// script is Lua and the name that EVALSHA calls it by. After a connection was
// lost each script is run once more: it may have run, and knows its own work when
// it finds it. One that is safe is run once more after a timeout, too: the first
// may then run late, after all that came since.
type script struct {
	text, hash string
	safe       bool
}

func newScript(text string) script {
	hash := sha1.Sum([]byte(text)) // Redis's choice; it protects nothing here
	return script{text: text, hash: hex.EncodeToString(hash[:])}
}

func safeScript(text string) script {
	s := newScript(text)
	s.safe = true
	return s
}

// What the scripts answer.
const (
	done    = "done"
	taken   = "taken"
	absent  = "absent"
	differs = "differs"
	broken  = "broken"
	revoked = "revoked"
	// foreign is done, in the place of what nothing of ours had written there.
	foreign = "foreign"
	// added is done, with an entry that was not there.
	added = "added"
)

// incomplete is an entry of an index that was written over, or deleted, and made
// anew: it may lack rows that were there before. No row's key is as short.
const incomplete = "incomplete"

// readOurs is for keys under which another program may have written: what is
// none of our values counts as absent, so that it costs what the key held, and
// not the logins and renewals that look there.
const readOurs = `
local function text(key)
  if redis.call('TYPE', key).ok == 'string' then return redis.call('GET', key) end
end
local function mark(key)
  local at = text(key)
  if at and #at <= 16 and string.find(at, '^%d+$') then return tonumber(at) end
end
local function is_index(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'zset' or kind == 'none'
end
`

// insertScript writes a row that is not there. A row with the same sealed value is
// its own work: no two are sealed alike.
// KEYS: the row. ARGV: version, owner, expires, value, when Redis may drop it.
var insertScript = newScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'hash' then
  if redis.call('HEXISTS', KEYS[1], 'tombstone') == 1 then return 'revoked' end
  local old = redis.call('HMGET', KEYS[1], 'version', 'value')
  if old[1] == ARGV[1] and old[2] == ARGV[4] and ARGV[4] ~= '' then return 'done' end
end
if kind ~= 'none' then return 'taken' end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'owner', ARGV[2],
  'expires', ARGV[3], 'value', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 'done'
`)

// replaceScript writes over the version before; it never makes a row. It knows
// its own work as insertScript does.
// KEYS: the row. ARGV: as insertScript, and the version that has to be there.
var replaceScript = newScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 'absent' end
if kind ~= 'hash' then return 'broken' end
if redis.call('HEXISTS', KEYS[1], 'tombstone') == 1 then return 'absent' end
local old = redis.call('HMGET', KEYS[1], 'version', 'owner', 'expires', 'value')
if not (old[1] and string.find(old[1], '^%d+$')) or not (old[2] and #old[2] == 32)
  or not (old[3] and string.find(old[3], '^%-?%d+$')) or not old[4] then return 'broken' end
if old[1] == ARGV[1] and old[2] == ARGV[2] and old[4] == ARGV[4] and ARGV[4] ~= '' then
  return 'done'
end
if old[1] ~= ARGV[6] or old[2] ~= ARGV[2] then return 'differs' end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'expires', ARGV[3], 'value', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 'done'
`)

// indexScript sees to it that a row is found by its owner until at least a
// given time, and drops the entries that have expired, or never would. It uses
// Redis's clock, which is the one that drops the rows. GT: a slower writer with
// an earlier time takes nothing back. Where nothing is wrong ZADD is the first
// write: Redis refuses no later one when its memory is full. It refuses a login
// that began before the owner's sessions were revoked; an empty text for that is
// no login.
// KEYS: the index, the mark. ARGV: the row's key, until when, when the login
// began, until when a new index counts as incomplete.
var indexScript = safeScript(readOurs + `
if ARGV[3] ~= '' then
  local at = mark(KEYS[2])
  if at and tonumber(ARGV[3]) <= at then return 'revoked' end
end
local answer = 'done'
if not is_index(KEYS[1]) then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], ARGV[4], 'incomplete')
  answer = 'foreign'
end
local function last()
  return tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
end
if (last() or 0) >= 2^53 then redis.call('ZREMRANGEBYSCORE', KEYS[1], 2^53, '+inf') end
local new = redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if new == 1 and answer == 'done' then answer = 'added' end
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now[1] * 1000))
local until_then = last()
if until_then then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', until_then)) end
return answer
`)

// revokeScript marks an owner as revoked, and returns the rows of the index at
// that moment; foreign if it has none and something else is in its place.
// KEYS: the index, the mark. ARGV: now, how long the mark holds.
var revokeScript = safeScript(readOurs + `
local at = mark(KEYS[2])
if not at or at < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
if not is_index(KEYS[1]) then return 'foreign' end
return redis.call('ZRANGE', KEYS[1], 0, -1)
`)

// removeScript deletes a row and returns its owner. A tombstone is no row.
// KEYS: the row.
var removeScript = newScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 'absent' end
local owner = 'broken'
if kind == 'hash' then
  if redis.call('HEXISTS', KEYS[1], 'tombstone') == 1 then return 'absent' end
  owner = redis.call('HGET', KEYS[1], 'owner') or owner
end
redis.call('DEL', KEYS[1])
return owner
`)

// removeOwnedScript deletes a row unless it is another owner's, and returns how
// many it deleted. What cannot be read goes too: a revoked session must not come
// back, however its row looks now. Where there is no row yet a tombstone keeps
// it from coming.
// KEYS: the row. ARGV: the owner, how long a tombstone stays.
const removeOwnedScript = `
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'hash' then
  if redis.call('HEXISTS', KEYS[1], 'tombstone') == 1 then return 0 end
  local owner = redis.call('HGET', KEYS[1], 'owner')
  if owner and #owner == 32 and owner ~= ARGV[1] then return 0 end
end
redis.call('DEL', KEYS[1])
if kind ~= 'none' then return 1 end
redis.call('HSET', KEYS[1], 'tombstone', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
`

// nowScript returns the time in microseconds, and more than ever before: a clock
// that is set back must not make a new login look older than a revocation. It
// says whether no time is known from before.
// KEYS: the last time. ARGV: how long it is kept.
var nowScript = safeScript(`
local known = redis.call('TYPE', KEYS[1]).ok ~= 'none'
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = tonumber(redis.pcall('GET', KEYS[1]))
if last and last < 2^53 and now <= last then now = last + 1 end
now = string.format('%.0f', now)
redis.call('SET', KEYS[1], now, 'PX', ARGV[1])
return known and now or 'first ' .. now
`)

// timeScript returns the time in microseconds. KEYS: chooses the node.
var timeScript = safeScript(`
local clock = redis.call('TIME')
return string.format('%.0f', clock[1] * 1000000 + clock[2])
`)

// lockScript gives a lock to a holder, or more time to the holder it has.
// KEYS: the lock. ARGV: the holder, the lease in milliseconds.
var lockScript = newScript(readOurs + `
local holder = text(KEYS[1])
if holder and #holder == 16 and holder ~= ARGV[1] then return 'taken' end
local free = holder == ARGV[1] or redis.call('TYPE', KEYS[1]).ok == 'none'
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return free and 'done' or 'foreign'
`)

// unlockScript frees a lock if the holder has it.
// KEYS: the lock. ARGV: the holder.
var unlockScript = newScript(readOurs + `
if text(KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'done'
`)

// once is a command that the library sends at most once.
type once struct{ *goredis.Cmd }

func (once) NoRetry() bool { return true }

var errAnswer = errors.New("redis: an answer that none of our scripts gives: is there a proxy in " +
	"between that changes them?")

func unexpected(answer any) error { return fmt.Errorf("%w (it is a %T)", errAnswer, answer) }

// run calls a script that answers with a text.
func (b *Backend) run(ctx context.Context, s script, keys []string, args ...any) (string, error) {
	answer, err := b.ask(ctx, s, keys, args...)
	if err != nil {
		return "", err
	}
	text, ok := answer.(string)
	if !ok {
		return "", unexpected(answer)
	}
	if text == foreign {
		b.replaced.Store(&keys[0])
	}
	return text, nil
}

// ask calls a script, and once more where that can help. It returns the answer.
func (b *Backend) ask(
	ctx context.Context, s script, keys []string, args ...any,
) (answer any, err error) {
	call := func(ctx context.Context) error {
		answer, err = b.askOnce(ctx, s, keys, args...)
		return err
	}
	err = bounded(ctx, func(ctx context.Context) error {
		if s.safe {
			return repeat(ctx, call)
		}
		err := call(ctx)
		if lost(err) && ctx.Err() == nil {
			err = call(ctx)
		}
		return err
	})
	return answer, err
}

// askOnce calls a script by its hash, or, where the server does not know that yet
// (a new one, a restart, SCRIPT FLUSH), in full.
func (b *Backend) askOnce(ctx context.Context, s script, keys []string, args ...any) (any, error) {
	call := func(name, what string) (any, error) {
		line := []any{name, what, len(keys)}
		for _, key := range keys {
			line = append(line, key)
		}
		cmd := once{goredis.NewCmd(ctx, append(line, args...)...)}
		_ = b.client.Process(ctx, cmd) // the command has the error, too
		return cmd.Result()
	}
	answer, err := call("evalsha", s.hash)
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, err = call("eval", s.text)
	}
	return answer, err
}
