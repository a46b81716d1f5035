/* The master key: its file, its memory, and sealing with it. */
#include <fcntl.h>
#include <limits.h>
#include <sodium/crypto_aead_xchacha20poly1305.h>
#include <sodium/crypto_kdf.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "token/keyring.h"
#include "token/seal.h"

#define MASTER_KEY_MAGIC 0x6d617374U
#define HEX_CHARS (2 * MASTER_KEY_BYTES)
/* Larger than the hex digits and some white space that an editor left behind them. */
#define FILE_BYTES (HEX_CHARS + 32)

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(SEAL_BYTES == NONCE_BYTES + TAG_BYTES, "what sealing adds");
_Static_assert(MASTER_KEY_BYTES == crypto_kdf_KEYBYTES, "the master key is one of crypto_kdf");

/* Lives in memory of sodium_malloc, which is aligned by its size. */
struct master_key {
    uint64_t magic;
    uint8_t bytes[MASTER_KEY_BYTES];
};

static struct master_key *key_allocate(struct error *ret_error) {
    struct master_key *key = sodium_malloc(sizeof(*key));
    if (key == NULL)
        (void)error_set(ret_error, ERROR_MASTER_KEY, "there is no memory for it");
    else
        key->magic = MASTER_KEY_MAGIC;
    return key;
}

void master_key_close(struct master_key *key) {
    if (key == NULL)
        return;
    magic_check(key, MASTER_KEY_MAGIC);
    sodium_free(key); /* wipes it */
}

/* From here on nothing changes it. */
static bool key_protect(struct master_key *key, struct error *ret_error) {
    return sodium_mprotect_readonly(key) == 0 ||
           error_set(ret_error, ERROR_MASTER_KEY, "its memory cannot be protected: %m");
}

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

bool master_key_read_text(struct text hex, struct master_key **ret_key, struct error *ret_error) {
    while (hex.len > 0 && is_space(hex.at[hex.len - 1]))
        hex.len--;
    struct master_key *key = key_allocate(ret_error);
    if (key == NULL)
        return false;
    bool good = text_hex(hex, key->bytes, MASTER_KEY_BYTES) ||
                error_set(ret_error, ERROR_MASTER_KEY, "it must be %d hex digits", HEX_CHARS);
    if (good && key_protect(key, ret_error)) {
        *ret_key = key;
        return true;
    }
    master_key_close(key);
    return false;
}

/* Opens a file that nobody but its owner can read. */
static int file_open_private(const char *path, struct error *ret_error) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0 || fstat(file, &status) != 0)
        (void)error_set(ret_error, ERROR_MASTER_KEY, "%s: %m", path);
    else if (!S_ISREG(status.st_mode))
        (void)error_set(ret_error, ERROR_MASTER_KEY, "%s is not a regular file", path);
    else if ((status.st_mode & 077) != 0)
        (void)error_set(ret_error, ERROR_MASTER_KEY,
                        "others than its owner can get at %s; make its mode 0600", path);
    else
        return file;
    if (file >= 0)
        (void)close(file);
    return -1;
}

bool master_key_read_file(const char *path, struct master_key **ret_key, struct error *ret_error) {
    char hex[FILE_BYTES];
    ssize_t got = 1;
    size_t len = 0;
    int file = file_open_private(path, ret_error);
    if (file < 0)
        return false;
    while (len < sizeof(hex) && (got = read(file, hex + len, sizeof(hex) - len)) > 0)
        len += (size_t)got;
    bool good = got >= 0 || error_set(ret_error, ERROR_MASTER_KEY, "%s: %m", path);
    (void)close(file);
    if (good && len == sizeof(hex))
        good = error_set(ret_error, ERROR_MASTER_KEY, "%s is too long", path);
    good = good && master_key_read_text((struct text){hex, len}, ret_key, ret_error);
    memory_wipe(hex, sizeof(hex));
    return good;
}

/* Makes a new file's name durable. */
static bool folder_sync(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    if (snprintf(folder, sizeof(folder), "%.*s", len, slash == NULL ? "." : path) >=
        (int)sizeof(folder))
        return false;
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool good = fsync(descriptor) == 0;
    (void)close(descriptor);
    return good;
}

static bool file_write(int file, const struct master_key *key) {
    char text[HEX_CHARS + 1];
    struct buffer out = buffer_over(text, sizeof(text));
    ssize_t written = 0;
    buffer_hex(&out, key->bytes, MASTER_KEY_BYTES);
    buffer_byte(&out, '\n');
    for (size_t done = 0; done < sizeof(text) && written >= 0; done += (size_t)written)
        written = write(file, text + done, sizeof(text) - done);
    memory_wipe(text, sizeof(text));
    return written >= 0 && fsync(file) == 0;
}

static bool file_create(const char *path, const struct master_key *key, struct error *ret_error) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(ret_error, ERROR_MASTER_KEY, "%s: %m", path);
    bool good = file_write(file, key) && folder_sync(path);
    if (!good) {
        (void)error_set(ret_error, ERROR_MASTER_KEY, "%s: %m", path);
        (void)unlink(path);
    }
    (void)close(file);
    return good;
}

static bool key_make(struct master_key *key, struct error *ret_error) {
    struct random random;
    if (!random_open(&random))
        return error_set(ret_error, ERROR_MASTER_KEY, "the kernel gives no random bytes");
    random_bytes(&random, key->bytes, MASTER_KEY_BYTES);
    random_close(&random);
    return key_protect(key, ret_error);
}

bool master_key_create_file(const char *path, struct master_key **ret_key,
                            struct error *ret_error) {
    struct master_key *key = key_allocate(ret_error);
    if (key == NULL)
        return false;
    if (!key_make(key, ret_error) || !file_create(path, key, ret_error)) {
        master_key_close(key);
        return false;
    }
    *ret_key = key;
    return true;
}

static void key_derive(const struct seal *seal, uint8_t ret_key[static crypto_kdf_KEYBYTES]) {
    magic_check(seal->master, MASTER_KEY_MAGIC);
    (void)crypto_kdf_derive_from_key(ret_key, crypto_kdf_KEYBYTES, (uint64_t)seal->purpose,
                                     "mintdkey", seal->master->bytes);
}

void seal_close(const struct seal *seal, struct random *random, const uint8_t *bytes, size_t len,
                uint8_t *ret_sealed) {
    uint8_t key[crypto_kdf_KEYBYTES];
    key_derive(seal, key);
    random_bytes(random, ret_sealed, NONCE_BYTES);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(ret_sealed + NONCE_BYTES, NULL, bytes, len,
                                                     (const uint8_t *)seal->associated.at,
                                                     seal->associated.len, NULL, ret_sealed, key);
    memory_wipe(key, sizeof(key));
}

bool seal_open(const struct seal *seal, const uint8_t *sealed, size_t len, uint8_t *ret_bytes) {
    uint8_t key[crypto_kdf_KEYBYTES];
    if (len < SEAL_BYTES)
        return false;
    key_derive(seal, key);
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    ret_bytes, NULL, NULL, sealed + NONCE_BYTES, len - NONCE_BYTES,
                    (const uint8_t *)seal->associated.at, seal->associated.len, sealed, key) == 0;
    memory_wipe(key, sizeof(key));
    return good;
}
