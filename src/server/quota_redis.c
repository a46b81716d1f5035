/* The counter of a rate limit in Redis, from which the replicas take their slices. */
#include "server/quota_redis.h"

#include "cache/shared.h"

/* The same algorithm as in a process (mint/quota.h), with µs of Redis's own clock, so that no two
 * clocks are ever compared. KEYS: the counter. ARGV: rate, burst, wanted, owed. What cannot be in
 * the key counts as nothing, and what lies too far ahead (the limit was another one, the clock was
 * set, somebody has written there) is cut, so that it ends soon. A key ends when it says no more
 * than that none is there. Sent whole each time: a slice is asked for a few times a second, and
 * Redis knows the script by its hash anyway. */
static const char script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local interval = 1000000 / ARGV[1]\n"
    "local room = interval * ARGV[2]\n"
    "local at = tonumber(redis.call('GET', KEYS[1]) or now)\n"
    "if not (at and at > now) then at = now end\n"
    "if at > now + 4 * room then at = now + 4 * room end\n"
    "at = at + interval * ARGV[4]\n"
    "local left = math.floor((now + room - at) / interval + 0.000001)\n"
    "local granted = math.max(0, math.min(left, tonumber(ARGV[3])))\n"
    "at = math.ceil(at + interval * granted)\n"
    "if at > now then\n"
    "  redis.call('SET', KEYS[1], string.format('%.0f', at),\n"
    "             'PX', string.format('%.0f', math.ceil((at - now) / 1000)))\n"
    "end\n"
    "local wait = left < 1 and math.ceil(at + interval - now - room) or 0\n"
    "return {granted, math.max(0, left - granted), wait}\n";

#define QUOTA_KEY_BYTES (SHARED_PREFIX_BYTES + 2 + UUID_TEXT_BYTES)
#define NUMBER_CHARS 10

bool quota_redis_ask(struct redis *redis, struct text prefix, struct quota *quota) {
    const uint32_t numbers[] = {quota->asked_limit.rate_per_s, quota->asked_limit.burst,
                                quota->asked.want, quota->asked.owed};
    char key_memory[QUOTA_KEY_BYTES], memory[array_count(numbers)][NUMBER_CHARS];
    struct buffer key = buffer_over(key_memory, sizeof(key_memory));
    buffer_add(&key, prefix);
    buffer_put(&key, "q:");
    buffer_uuid(&key, &quota->service_id);
    check(!key.overflow);
    struct text words[4 + array_count(numbers)] = {
        TEXT_INIT("EVAL"), {script, sizeof(script) - 1}, TEXT_INIT("1"), buffer_text(&key)};
    for (size_t i = 0; i < array_count(numbers); i++) {
        struct buffer out = buffer_over(memory[i], NUMBER_CHARS);
        buffer_number(&out, numbers[i]);
        words[4 + i] = buffer_text(&out);
    }
    return redis_send(redis, &quota->command, words, array_count(words));
}
