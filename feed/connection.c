/* The connection to the broker. */
#include "feed/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "projector/nats/nkey.h"

/* Small events, sent one by one, should not wait for others to fill a packet; many of them should. */
#define CONNECTION_ASAP_RATE_MAX 10000

/* What the library says about its last error in this thread, without the place in its source; "" = nothing. */
static const char *last_error(void)
{
    const char *text = nats_GetLastError(NULL);
    const char *behind = text != NULL && text[0] == '(' ? strstr(text, "): ") : NULL;
    if (behind != NULL)
        return behind + 3;
    return text != NULL ? text : "";
}

enum sg_status connection_fail(struct sg_error *err, natsStatus s, const char *what)
{
    enum sg_status status = SG_UNAVAILABLE;
    if (s == NATS_OK)
        return SG_OK;
    const char *detail = last_error();
    if (s == NATS_NO_MEMORY)
        status = SG_MEMORY;
    else if (s == NATS_NOT_PERMITTED || s == NATS_CONNECTION_AUTH_FAILED)
        status = SG_DENIED;
    return sg_fail(err, status, "%s: %s", what, detail[0] != '\0' ? detail : natsStatus_GetText(s));
}

/* The first line of a file into `out`. */
static enum sg_status read_secret(const char *path, char out[CONNECTION_SECRET_BYTES_MAX + 1], struct sg_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return sg_fail(err, SG_INVALID, "%s: %s", path, strerror(errno));
    size_t bytes = fread(out, 1, CONNECTION_SECRET_BYTES_MAX, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    out[bytes] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (failed || out[0] == '\0')
        return sg_fail(err, SG_INVALID, "%s: %s", path, failed ? "cannot be read" : "the first line is empty");
    return SG_OK;
}

static enum sg_status set_nkey(natsOptions *opts, const char *path, const char *seed, struct sg_error *err)
{
    char public_key[NKEY_PUBLIC_BYTES];
    if (nkey_public(seed, public_key, NULL) != SG_OK)
        return sg_fail(err, SG_INVALID, "%s: no user nkey seed (SU...)", path);
    return connection_fail(err, natsOptions_SetNKeyFromSeed(opts, public_key, path), path);
}

/* At most one way is set: options_parse() saw to it. */
static enum sg_status set_authentication(const struct feed_options *o, natsOptions *opts, struct sg_error *err)
{
    if (o->credentials_file != NULL) {
        return connection_fail(err, natsOptions_SetUserCredentialsFromFiles(opts, o->credentials_file, NULL),
                               o->credentials_file);
    }
    const char *path = o->user != NULL ? o->password_file : o->token_file != NULL ? o->token_file : o->nkey_file;
    if (path == NULL)
        return SG_OK;
    char secret[CONNECTION_SECRET_BYTES_MAX + 1];
    enum sg_status status = read_secret(path, secret, err);
    if (status == SG_OK && o->user != NULL)
        status = connection_fail(err, natsOptions_SetUserInfo(opts, o->user, secret), "user");
    else if (status == SG_OK && o->token_file != NULL)
        status = connection_fail(err, natsOptions_SetToken(opts, secret), "token");
    else if (status == SG_OK)
        status = set_nkey(opts, path, secret, err);
    explicit_bzero(secret, sizeof secret);
    return status;
}

static enum sg_status set_tls(const struct feed_options *o, natsOptions *opts, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    /* nats.c does not insist on TLS for tls:// by itself. */
    if (o->tls_ca_file != NULL || o->tls_cert_file != NULL || strstr(o->url, "tls://") != NULL)
        status = connection_fail(err, natsOptions_SetSecure(opts, true), "TLS");
    if (status == SG_OK && o->tls_ca_file != NULL)
        status = connection_fail(err, natsOptions_LoadCATrustedCertificates(opts, o->tls_ca_file), o->tls_ca_file);
    if (status == SG_OK && o->tls_cert_file != NULL) {
        status = connection_fail(err, natsOptions_LoadCertificatesChain(opts, o->tls_cert_file, o->tls_key_file),
                                 o->tls_cert_file);
    }
    return status;
}

static enum sg_status set_servers(const struct feed_options *o, natsOptions *opts, struct sg_error *err)
{
    const char *servers[CONNECTION_SERVERS_MAX];
    int count = 0;
    char *rest = NULL;
    char *urls = strdup(o->url);
    if (urls == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    for (char *url = strtok_r(urls, ", ", &rest); url != NULL && count < CONNECTION_SERVERS_MAX;
         url = strtok_r(NULL, ", ", &rest))
        servers[count++] = url;
    enum sg_status status = SG_OK;
    if (count == 0)
        status = sg_fail(err, SG_INVALID, "--url is empty");
    else
        status = connection_fail(err, natsOptions_SetServers(opts, servers, count), o->url);
    free(urls);
    return status;
}

/* Rights that are missing are told here and nowhere else: the server does not answer the message itself. */
static void on_error(natsConnection *nc, natsSubscription *subscription, natsStatus s, void *closure)
{
    const char *text = NULL;
    (void)subscription;
    (void)closure;
    (void)natsConnection_GetLastError(nc, &text);
    (void)fprintf(stderr, "stategate-feed: %s\n", text != NULL && text[0] != '\0' ? text : natsStatus_GetText(s));
}

static natsStatus set_behaviour(const struct feed_options *o, natsOptions *opts)
{
    natsStatus s = natsOptions_SetName(opts, "stategate-feed");
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(opts, CONNECTION_TIMEOUT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(opts, CONNECTION_RECONNECTS_MAX);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(opts, CONNECTION_RECONNECT_WAIT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(opts, on_error, NULL);
    if (s == NATS_OK && o->rate > 0 && o->rate <= CONNECTION_ASAP_RATE_MAX)
        s = natsOptions_SetSendAsap(opts, true);
    return s;
}

static enum sg_status make_options(const struct feed_options *o, natsOptions **out, struct sg_error *err)
{
    natsOptions *opts = NULL;
    enum sg_status status = connection_fail(err, natsOptions_Create(&opts), "options");
    if (status == SG_OK)
        status = connection_fail(err, set_behaviour(o, opts), "options");
    if (status == SG_OK)
        status = set_servers(o, opts, err);
    if (status == SG_OK)
        status = set_authentication(o, opts, err);
    if (status == SG_OK)
        status = set_tls(o, opts, err);
    if (status == SG_OK)
        *out = opts;
    else
        natsOptions_Destroy(opts);
    return status;
}

enum sg_status connection_open(const struct feed_options *options, natsConnection **out, struct sg_error *err)
{
    natsOptions *opts = NULL;
    enum sg_status status = make_options(options, &opts, err);
    if (status != SG_OK)
        return status;
    natsStatus s = NATS_ERR;
    for (int attempt = 0; s != NATS_OK && attempt < CONNECTION_ATTEMPTS; attempt++) {
        if (attempt > 0)
            nats_Sleep(CONNECTION_PAUSE_MS);
        s = natsConnection_Connect(out, opts);
    }
    status = connection_fail(err, s, options->url);
    natsOptions_Destroy(opts);
    return status;
}

void connection_close(natsConnection *nc)
{
    natsConnection_Close(nc);
    natsConnection_Destroy(nc);
}
