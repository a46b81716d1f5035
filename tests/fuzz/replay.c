/* Runs a fuzz target on every file of a corpus folder, in builds without libFuzzer. */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The largest input that is worth keeping in a corpus. */
enum { INPUT_BYTES_MAX = 1 << 20 };

/* Replays one file from a block of exactly its size, so that ASan sees a read past the end. */
static int replay_file(const char *folder, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    static uint8_t buffer[INPUT_BYTES_MAX];
    const size_t size = fread(buffer, 1, sizeof buffer, file);
    const int whole = feof(file);
    (void)fclose(file);
    if (!whole)
        return 0;
    uint8_t *input = malloc(size + !size);
    if (!input)
        return 0;
    memcpy(input, buffer, size);
    (void)LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 1;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        (void)fprintf(stderr, "usage: %s CORPUS-FOLDER (which must exist)\n", argv[0]);
        return 2;
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    int inputs = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        if (!replay_file(argv[1], entry->d_name)) {
            (void)fprintf(stderr, "%s/%s: cannot be read whole\n", argv[1], entry->d_name);
            return 1;
        }
        inputs++;
    }
    (void)closedir(folder);
    (void)printf("%d inputs replayed\n", inputs);
    return inputs ? 0 : 1;
}
