#include <stdio.h>

#include "runtime/ptxmill.h"

int main(void) {
  ptxmill_device* device = NULL;
  if (ptxmill_device_open(0, &device) != PTXMILL_OK) {
    fprintf(stderr, "%s\n", ptxmill_last_error());
    return 1;
  }
  ptxmill_device_close(device);
  printf("ptxmill %s, all right\n", ptxmill_version());
  return 0;
}
