/* TLS for Redis, by OpenSSL: hiredis alone does not compare the name in a certificate. */
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "io/redis_parts.h"

struct redis_tls {
    SSL_CTX *context;
    char name[256]; /* "": the host's */
};

static bool refuse(struct error *error, const char *what) {
    unsigned long number = ERR_get_error();
    const char *reason = ERR_reason_error_string(number);
    ERR_clear_error();
    return error_set(error, ERROR_FIELD_VALUE, "%s cannot be used for Redis: %s", what,
                     reason != NULL ? reason : "OpenSSL does not say why");
}

/* A text with a zero behind it. */
static bool path_take(struct text text, char (*ret_path)[1024]) {
    if (text.len >= sizeof(*ret_path))
        return false;
    if (text.len > 0)
        memcpy(*ret_path, text.at, text.len);
    (*ret_path)[text.len] = '\0';
    return true;
}

/* Nobody is there to be asked for a passphrase, as OpenSSL would. */
static int no_passphrase(char *out, int size, int is_writing, void *self) {
    if (size > 0)
        out[0] = '\0';
    (void)is_writing, (void)self;
    return -1;
}

static bool files_load(SSL_CTX *context, const struct redis_options *options,
                       struct error *ret_error) {
    char ca[1024], cert[1024], key[1024];
    if (!path_take(options->tls_ca, &ca) || !path_take(options->tls_cert, &cert) ||
        !path_take(options->tls_key, &key))
        return error_set(ret_error, ERROR_FIELD_VALUE, "a path of Redis' TLS is too long");
    if (ca[0] != '\0' ? SSL_CTX_load_verify_locations(context, ca, NULL) != 1
                      : SSL_CTX_set_default_verify_paths(context) != 1)
        return refuse(ret_error, "redis-tls-ca");
    if ((cert[0] == '\0') != (key[0] == '\0'))
        return error_set(ret_error, ERROR_FIELD_VALUE,
                         "redis-tls-cert and redis-tls-key go together");
    if (cert[0] == '\0')
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return refuse(ret_error, "redis-tls-cert");
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 ||
           refuse(ret_error, "redis-tls-key");
}

bool redis_tls_open(const struct redis_options *options, struct redis_tls **ret_tls,
                    struct error *ret_error) {
    struct redis_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return error_set(ret_error, ERROR_OVERLOADED, "memory");
    tls->context = SSL_CTX_new(TLS_client_method());
    bool is_done = tls->context != NULL || error_set(ret_error, ERROR_OVERLOADED, "memory");
    if (is_done && options->tls_name.len >= sizeof(tls->name))
        is_done = error_set(ret_error, ERROR_FIELD_VALUE, "redis-tls-name is too long");
    if (!is_done || !files_load(tls->context, options, ret_error)) {
        redis_tls_close(tls);
        return false;
    }
    if (options->tls_name.len > 0)
        memcpy(tls->name, options->tls_name.at, options->tls_name.len);
    (void)SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    *ret_tls = tls;
    return true;
}

/* An address is compared with the certificate's addresses, a name with its names (RFC 6125). */
static bool name_set(SSL *ssl, const char *name) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ||
           (SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1);
}

bool redis_tls_begin(const struct redis_tls *tls, const char *host, struct redisContext *connection,
                     struct ssl_st **ret_ssl) {
    const char *name = tls->name[0] != '\0' ? tls->name : host;
    SSL *ssl = name != NULL ? SSL_new(tls->context) : NULL;
    if (ssl == NULL)
        return false;
    if (name_set(ssl, name) && redisInitiateSSL(connection, ssl) == REDIS_OK) {
        *ret_ssl = ssl;
        return true;
    }
    SSL_free(ssl);
    return false;
}

bool redis_tls_wants_room(const struct ssl_st *ssl, bool has_unsent) {
    return SSL_is_init_finished(ssl) ? has_unsent : SSL_want_write(ssl);
}

const char *redis_tls_why(const struct ssl_st *ssl) {
    long result = SSL_get_verify_result(ssl);
    ERR_clear_error();
    return result != X509_V_OK ? X509_verify_cert_error_string(result) : NULL;
}

void redis_tls_close(struct redis_tls *tls) {
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}
