/* The two small protocols of systemd that a service speaks: readiness and sockets. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/daemon.h"

/* sd_notify(3): a datagram to the socket that the environment names. */
void systemd_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path))
        return;
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)!sendto(descriptor, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  size);
    (void)close(descriptor);
}

/* sd_listen_fds(3): descriptors from 3 on, if they are meant for this process. */
size_t systemd_sockets(int ret_descriptors[static SYSTEMD_SOCKETS_MAX]) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t for_pid, sockets;
    if (pid == NULL || count == NULL || !text_number(text_of(pid), INT32_MAX, &for_pid) ||
        (pid_t)for_pid != getpid() || !text_number(text_of(count), SYSTEMD_SOCKETS_MAX, &sockets))
        return 0;
    for (int i = 0; i < (int)sockets; i++) {
        ret_descriptors[i] = 3 + i;
        (void)fcntl(3 + i, F_SETFD, FD_CLOEXEC);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    return (size_t)sockets;
}
