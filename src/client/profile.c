/* Profiles: url, org and token in a private file, written by `mint login`. */
#include "client/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* $XDG_CONFIG_HOME/mint, and the profile's file in it. False after saying why there is none. */
static bool path_make(struct client *client, struct text *ret_folder, struct text *ret_path) {
    struct text home = client_variable(client, "XDG_CONFIG_HOME");
    bool is_home = home.at == NULL;
    if (is_home)
        home = client_variable(client, "HOME");
    if (home.at == NULL || home.at[0] != '/') {
        client_complain(client,
                        "neither XDG_CONFIG_HOME nor HOME is a path: no place for profiles");
        return false;
    }
    if (!text_is_name(text_of(client->profile))) {
        client_complain(client,
                        "\"%s\" cannot be a profile's name: take 3 to 40 letters, digits, "
                        "'-' or '_'",
                        client->profile);
        return false;
    }
    struct buffer path = pool_buffer(&client->pool, home.len + 128);
    buffer_add(&path, home);
    buffer_put(&path, is_home ? "/.config/mint" : "/mint");
    *ret_folder = pool_copy(&client->pool, buffer_text(&path));
    buffer_format(&path, "/%s.json", client->profile);
    *ret_path = pool_copy(&client->pool, buffer_text(&path));
    return true;
}

struct profile_fields {
    uint64_t given;
    struct profile profile;
};

static bool profile_parse(struct client *client, const char *path, struct text text,
                          struct profile *ret_profile) {
    static const struct json_field fields[] = {
        {"url", JSON_FIELD_TEXT, offsetof(struct profile_fields, profile.url)},
        {"org", JSON_FIELD_TEXT, offsetof(struct profile_fields, profile.org)},
        {"token", JSON_FIELD_TEXT, offsetof(struct profile_fields, profile.token)},
    };
    struct profile_fields read = {.profile = *ret_profile};
    struct error error = {0};
    const struct json *json = client_read_json(client, text, &error);
    if (json == NULL || !json_is_object(json) ||
        !json_read_fields(json, fields, array_count(fields), &read, &error)) {
        client_complain(client, "%s is no profile; write it anew with mint login", path);
        return false;
    }
    *ret_profile = read.profile;
    return true;
}

bool profile_read(struct client *client, bool must_exist, struct profile *ret_profile) {
    struct stat status;
    struct text folder, path, text;
    bool has_home = client_variable(client, "XDG_CONFIG_HOME").at != NULL ||
                    client_variable(client, "HOME").at != NULL;
    if (!must_exist && !has_home)
        return true;
    if (!path_make(client, &folder, &path))
        return false;
    if (stat(path.at, &status) != 0) {
        if (errno == ENOENT && !must_exist)
            return true;
        client_complain(client, "cannot read the profile %s: %m; write it with mint login",
                        path.at);
        return false;
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        client_complain(client,
                        "others can read the token in %s: chmod 600 it, and better issue a "
                        "new token",
                        path.at);
        return false;
    }
    return client_read_file(client, path.at, &text) &&
           profile_parse(client, path.at, text, ret_profile);
}

static struct text profile_json(struct client *client, const struct profile *profile) {
    struct buffer out = pool_buffer(
        &client->pool, 6 * (profile->url.len + profile->org.len + profile->token.len) + 64);
    buffer_put(&out, "{\"url\":");
    buffer_json(&out, profile->url);
    buffer_put(&out, ",\"org\":");
    buffer_json(&out, profile->org);
    buffer_put(&out, ",\"token\":");
    buffer_json(&out, profile->token);
    buffer_put(&out, "}\n");
    check(!out.overflow);
    return buffer_text(&out);
}

/* Makes the folder and the one above it, private. */
static void folder_make(struct client *client, struct text folder) {
    struct text above = pool_copy(&client->pool, folder);
    char *slash = memrchr(above.at, '/', above.len);
    *slash = '\0';
    (void)mkdir(above.at, 0700);
    (void)mkdir(folder.at, 0700);
}

bool profile_write(struct client *client, const struct profile *profile, struct text *ret_path) {
    struct text folder, path, json = profile_json(client, profile);
    if (!path_make(client, &folder, &path))
        return false;
    folder_make(client, folder);
    struct buffer out = pool_buffer(&client->pool, path.len + 32);
    buffer_format(&out, "%s.%ld", path.at, (long)getpid());
    buffer_byte(&out, '\0');
    int descriptor = open(out.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_written = descriptor >= 0 &&
                      write(descriptor, json.at, json.len) == (ssize_t)json.len &&
                      fsync(descriptor) == 0 && rename(out.at, path.at) == 0;
    if (!is_written)
        client_complain(client, "cannot write the profile %s: %m", path.at);
    if (descriptor >= 0)
        (void)close(descriptor);
    if (!is_written)
        (void)unlink(out.at);
    *ret_path = path;
    return is_written;
}
