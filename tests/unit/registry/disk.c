/* A disk that fails on command and forgets what was not synced: a VFS of SQLite. */
#include "disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define PAGE 4096
#define FILES_MAX 8

/* What the disk holds of a file. */
struct image {
    char path[256];
    bool exists;
    uint8_t *bytes;
    size_t size;
    uint8_t *dirty; /* a flag per page of the real file */
    size_t dirty_count;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct image images[FILES_MAX];
    uint32_t syncs_until;
    uint32_t writes_until;
    int write_code;
    int read_code;
    bool has_no_shm;
    bool is_frozen;
    bool has_failed;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct file {
    sqlite3_file base;
    struct image *image; /* NULL: a temporary file */
    sqlite3_file *real;  /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct file *)file)->real;
}

static struct image *image_of(const char *path) {
    struct image *image = disk.images;
    while (image->path[0] != '\0' && strcmp(image->path, path) != 0)
        check(++image < disk.images + FILES_MAX);
    snprintf(image->path, sizeof(image->path), "%s", path);
    return image;
}

static void image_touch(struct image *image, size_t from, size_t to) {
    size_t pages = (to + PAGE - 1) / PAGE;
    if (pages > image->dirty_count) {
        image->dirty = realloc(image->dirty, pages);
        check(image->dirty != NULL);
        memset(image->dirty + image->dirty_count, 0, pages - image->dirty_count);
        image->dirty_count = pages;
    }
    memset(image->dirty + from / PAGE, 1, pages - from / PAGE);
}

/* Brings the dirty pages of the real file to the disk. */
static void image_sync(struct image *image, sqlite3_file *real) {
    sqlite3_int64 size = 0;
    check(real->pMethods->xFileSize(real, &size) == SQLITE_OK);
    image->bytes = realloc(image->bytes, (size_t)size + 1);
    check(image->bytes != NULL);
    if ((size_t)size > image->size)
        memset(image->bytes + image->size, 0, (size_t)size - image->size);
    image->size = (size_t)size;
    for (size_t at = 0; at < image->size; at += PAGE) {
        size_t len = image->size - at < PAGE ? image->size - at : PAGE;
        if (at / PAGE < image->dirty_count && image->dirty[at / PAGE])
            check(real->pMethods->xRead(real, image->bytes + at, (int)len, (sqlite3_int64)at) ==
                  SQLITE_OK);
    }
}

static int file_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at) {
    if (disk.read_code != SQLITE_OK)
        return disk.read_code;
    return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at) {
    struct image *image = ((struct file *)file)->image;
    pthread_mutex_lock(&disk.lock);
    if (disk.writes_until > 1)
        disk.writes_until--;
    bool fails = disk.writes_until == 1 && image != NULL;
    disk.has_failed |= fails;
    if (!fails && image != NULL)
        image_touch(image, (size_t)at, (size_t)at + (size_t)len);
    int code = disk.write_code;
    pthread_mutex_unlock(&disk.lock);
    return fails ? code : real_of(file)->pMethods->xWrite(real_of(file), bytes, len, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags) {
    struct image *image = ((struct file *)file)->image;
    (void)flags;
    if (image == NULL)
        return SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    bool fails = disk.syncs_until == 1;
    if (disk.syncs_until > 0)
        disk.syncs_until--;
    disk.has_failed |= fails;
    if (!fails && !disk.is_frozen)
        image_sync(image, real_of(file));
    if (image->dirty_count > 0)
        memset(image->dirty, 0, image->dirty_count);
    pthread_mutex_unlock(&disk.lock);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_lock(sqlite3_file *file, int *is_locked) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_locked);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int file_sector(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_traits(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at) {
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, at);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int remove) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static sqlite3_io_methods methods_without_shm;

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                    int *ret_flags) {
    struct file *file = (struct file *)base;
    (void)vfs;
    memset(file, 0, sizeof(*file));
    file->real = (sqlite3_file *)(file + 1);
    int code = disk.real->xOpen(disk.real, path, file->real, flags, ret_flags);
    if (file->real->pMethods != NULL)
        file->base.pMethods = disk.has_no_shm ? &methods_without_shm : &methods;
    if (code != SQLITE_OK || path == NULL)
        return code;
    pthread_mutex_lock(&disk.lock);
    file->image = image_of(path);
    file->image->exists = true;
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    struct image *image = image_of(path);
    if (!disk.is_frozen) {
        image->exists = false;
        image->size = 0;
    }
    pthread_mutex_unlock(&disk.lock);
    return disk.real->xDelete(disk.real, path, sync_folder);
}

void disk_install(void) {
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "disk";
    disk.vfs.pNext = NULL;
    disk.vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
    disk.vfs.xOpen = vfs_open;
    methods_without_shm = methods;
    methods_without_shm.iVersion = 1;
    disk.vfs.xDelete = vfs_delete;
    check(sqlite3_vfs_register(&disk.vfs, 1) == SQLITE_OK);
}

void disk_remove(void) {
    disk_reset();
    check(sqlite3_vfs_register(disk.real, 1) == SQLITE_OK);
    check(sqlite3_vfs_unregister(&disk.vfs) == SQLITE_OK);
}

void disk_reset(void) {
    disk_fail_sync(0);
    disk_fail_write(0, SQLITE_OK);
    disk_fail_read(SQLITE_OK);
    disk.has_no_shm = disk.is_frozen = false;
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(disk.images[i].bytes);
        free(disk.images[i].dirty);
        disk.images[i] = (struct image){.exists = false};
    }
}

void disk_fail_sync(uint32_t k) {
    pthread_mutex_lock(&disk.lock);
    disk.syncs_until = k;
    disk.has_failed = false;
    pthread_mutex_unlock(&disk.lock);
}

void disk_fail_write(uint32_t k, int code) {
    pthread_mutex_lock(&disk.lock);
    disk.writes_until = k == 0 ? 0 : k + 1;
    disk.write_code = code;
    disk.has_failed = false;
    pthread_mutex_unlock(&disk.lock);
}

void disk_fail_read(int code) {
    disk.read_code = code;
}

void disk_without_shared_memory(void) {
    disk.has_no_shm = true;
}

bool disk_has_failed(void) {
    pthread_mutex_lock(&disk.lock);
    bool has_failed = disk.has_failed;
    pthread_mutex_unlock(&disk.lock);
    return has_failed;
}

void disk_freeze(void) {
    disk.is_frozen = true;
}

void disk_power_cut(void) {
    disk.is_frozen = false;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct image *image = &disk.images[i];
        if (image->path[0] == '\0')
            continue;
        char shm[300];
        snprintf(shm, sizeof(shm), "%s-shm", image->path);
        (void)unlink(shm);
        if (!image->exists) {
            (void)unlink(image->path);
            continue;
        }
        FILE *file = fopen(image->path, "wb");
        check(file != NULL);
        check(image->size == 0 || fwrite(image->bytes, image->size, 1, file) == 1);
        check(fclose(file) == 0);
        if (image->dirty_count > 0)
            memset(image->dirty, 0, image->dirty_count);
    }
}
