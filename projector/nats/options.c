/* How to connect to the broker: servers, credentials, TLS. */
#include "projector/nats/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "projector/nats/nkey.h"
#include "projector/nats/servers.h"

/* What the library says about its last error in this thread, without the place in its source; "" = nothing. */
static const char *last_error(void)
{
    const char *text = nats_GetLastError(NULL);
    const char *place_end = text != NULL && text[0] == '(' ? strstr(text, "): ") : NULL;
    if (place_end != NULL)
        return place_end + 3;
    return text != NULL ? text : "";
}

enum sg_status nats_fail(natsStatus s, const char *what, struct sg_error *err)
{
    enum sg_status status = SG_UNAVAILABLE;
    if (s == NATS_OK)
        return SG_OK;
    const char *detail = last_error();
    if (s == NATS_NO_MEMORY)
        status = SG_MEMORY;
    else if (s == NATS_NOT_PERMITTED || s == NATS_CONNECTION_AUTH_FAILED)
        status = SG_DENIED;
    return sg_fail(err, status, "%s: %s%s%s", what, natsStatus_GetText(s), detail[0] != '\0' ? ": " : "", detail);
}

/* ---- credentials ---- */

/* The first line of a secret's file. The caller wipes and frees it. */
static enum sg_status secret_read(const char *path, char **out, struct sg_error *err)
{
    char *secret = calloc(1, NATS_SECRET_BYTES_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (secret != NULL && fd >= 0)
        n = read(fd, secret, NATS_SECRET_BYTES_MAX);
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0) {
        free(secret);
        return sg_fail(err, SG_INVALID, "%s: %s", path, n == 0 ? "the file is empty" : strerror(error));
    }
    secret[strcspn(secret, "\r\n")] = '\0';
    *out = secret;
    return SG_OK;
}

static void secret_free(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static enum sg_status set_nkey(natsOptions *o, const char *path, const char *seed, struct sg_error *err)
{
    char public_key[NKEY_PUBLIC_BYTES];
    struct sg_error why = {0};
    if (nkey_public(seed, public_key, &why) != SG_OK)
        return sg_fail(err, why.status, "%s: %s", path, why.message);
    return nats_fail(natsOptions_SetNKeyFromSeed(o, public_key, path), path, err);
}

static enum sg_status set_user(const struct nats_settings *nats, natsOptions *o, struct sg_error *err)
{
    char *password = NULL;
    enum sg_status status = SG_OK;
    if (nats->password_file[0] != '\0')
        status = secret_read(nats->password_file, &password, err);
    if (status == SG_OK)
        status = nats_fail(natsOptions_SetUserInfo(o, nats->user, password != NULL ? password : ""), "user", err);
    secret_free(password);
    return status;
}

/* A seed or a token: a file with one line. */
static enum sg_status set_secret(const char *path, bool is_nkey, natsOptions *o, struct sg_error *err)
{
    char *secret = NULL;
    enum sg_status status = secret_read(path, &secret, err);
    if (status == SG_OK)
        status = is_nkey ? set_nkey(o, path, secret, err) : nats_fail(natsOptions_SetToken(o, secret), path, err);
    secret_free(secret);
    return status;
}

/* At most one way is set: whoever read the settings saw to it. */
static enum sg_status set_credentials(const struct nats_settings *nats, natsOptions *o, struct sg_error *err)
{
    if (nats->credentials_file[0] != '\0')
        return nats_fail(natsOptions_SetUserCredentialsFromFiles(o, nats->credentials_file, NULL),
                         nats->credentials_file, err);
    if (nats->nkey_file[0] != '\0')
        return set_secret(nats->nkey_file, true, o, err);
    if (nats->token_file[0] != '\0')
        return set_secret(nats->token_file, false, o, err);
    return nats->user[0] != '\0' ? set_user(nats, o, err) : SG_OK;
}

/* ---- TLS and servers ---- */

static enum sg_status set_tls(const struct nats_settings *nats, natsOptions *o, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    /* nats.c does not insist on TLS for tls:// by itself: whoever sits between could talk it out of it. */
    bool insist = nats->tls_ca_file[0] != '\0' || nats->tls_cert_file[0] != '\0' || strstr(nats->url, "tls://") != NULL;
    if (insist)
        status = nats_fail(natsOptions_SetSecure(o, true), "tls", err);
    if (status == SG_OK && nats->tls_ca_file[0] != '\0')
        status = nats_fail(natsOptions_LoadCATrustedCertificates(o, nats->tls_ca_file), nats->tls_ca_file, err);
    if (status == SG_OK && nats->tls_cert_file[0] != '\0')
        status = nats_fail(natsOptions_LoadCertificatesChain(o, nats->tls_cert_file, nats->tls_key_file),
                           nats->tls_cert_file, err);
    return status;
}

static enum sg_status set_servers(const char *url_list, const struct servers_round *round, natsOptions *o,
                                  struct sg_error *err)
{
    const char *servers[NATS_SERVERS_MAX];
    int count = 0;
    char *save = NULL;
    char *urls = strdup(url_list);
    if (urls == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the server addresses");
    bool configured = round == NULL || round->configured;
    for (char *url = strtok_r(urls, ", ", &save); configured && url != NULL && count < NATS_SERVERS_MAX;
         url = strtok_r(NULL, ", ", &save))
        servers[count++] = url;
    for (size_t i = 0; round != NULL && i < round->urls_count && count < NATS_SERVERS_MAX; i++)
        servers[count++] = round->urls[i];
    enum sg_status status = SG_OK;
    if (count == 0)
        status = sg_fail(err, SG_INVALID, "the list of servers is empty");
    else
        status = nats_fail(natsOptions_SetServers(o, servers, count), "the list of servers", err);
    free(urls);
    return status;
}

enum sg_status nats_options_create(const struct nats_settings *nats, const struct servers_round *round,
                                   natsOptions **out, struct sg_error *err)
{
    natsOptions *o = NULL;
    enum sg_status status = nats_fail(natsOptions_Create(&o), "options", err);
    if (status != SG_OK)
        return status;
    status = nats_fail(natsOptions_SetTimeout(o, NATS_CONNECT_TIMEOUT_MS), "options", err);
    if (status == SG_OK)
        status = set_servers(nats->url, round, o, err);
    if (status == SG_OK && round != NULL && round->expected_name != NULL)
        status = nats_fail(natsOptions_SetExpectedHostname(o, round->expected_name), "tls", err);
    if (status == SG_OK)
        status = set_credentials(nats, o, err);
    if (status == SG_OK)
        status = set_tls(nats, o, err);
    if (status != SG_OK)
        natsOptions_Destroy(o);
    else
        *out = o;
    return status;
}
