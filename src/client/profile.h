/* Profiles: url, org and token in a private file, written by `mint login`. */
#ifndef CLIENT_PROFILE_H
#define CLIENT_PROFILE_H

#include "client/run.h"

#define PROFILE_DEFAULT "default"

struct profile {
    struct text url;
    struct text org;
    struct text token;
};

/* Reads $XDG_CONFIG_HOME/mint/NAME.json (else below $HOME/.config); what it does not set stays.
 * One that is not there is an error only if it `must_exist`; one that others can read is
 * refused. False after saying why. */
must_check bool profile_read(struct client *client, bool must_exist, struct profile *ret_profile);
/* Writes it, mode 0600, in one step: who reads meanwhile sees the old one or the new one. */
must_check bool profile_write(struct client *client, const struct profile *profile,
                              struct text *ret_path);

#endif
