/* base64url without padding (RFC 4648 §5, as RFC 7515 §2 uses it). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/text.h"

/* The characters that `bytes` bytes take. */
#define BASE64_LEN(bytes) (((bytes) * 4 + 2) / 3)
/* The most bytes that `chars` characters hold. */
#define BASE64_BYTES(chars) ((chars) * 3 / 4)

/* Writes BASE64_LEN(len) characters to `out`, which must not overlap the bytes; returns it. */
size_t base64_write(char *out, const void *bytes, size_t len);
void buffer_base64(struct buffer *buffer, const void *bytes, size_t len);
/* Reads characters into at most `size` bytes. False on a foreign character, padding, a length that
 * no encoder makes, unused bits that are not zero (RFC 4648 §3.5), or too little room. */
must_check bool base64_read(struct text chars, void *ret_bytes, size_t size, size_t *ret_len);

#endif
