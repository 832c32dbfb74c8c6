#!/usr/bin/env bash
# build.sh PACKAGES INTO: builds the pretended CUDA runtime and driver with the headers that torch's CUDA build brings.
# PACKAGES is the site-packages folder of that torch.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
headers=$(find "$1"/nvidia -name cuda_runtime_api.h -printf '%h\n' | head -1)
more=$1/triton/backends/nvidia/include # what the wheel of the runtime lacks
cd "$2"
gcc -fPIC -O1 -w -I"$headers" -I"$more" -c "$here/runtime.c" -o runtime.o

# All other functions, of the real runtime and of the driver's header, do nothing, well.
defined() { nm --defined-only "$@" | awk '{print $3}' | sed 's/@.*//'; }
stubs() { sort -u | grep -xE '_*cu\w+' | grep -vxF -f <(defined runtime.o) | sed 's/.*/int &(void) { return 0; }/'; }
defined --dynamic "$1"/nvidia/*/lib/libcudart.so.13 | stubs >runtime_rest.c
grep -ohE '\bcu[A-Z]\w+' "$more/cuda.h" | grep -vx cuGetProcAddress_v2 | stubs >driver.c
cat >>driver.c <<'C'
#include <dlfcn.h>
static int nothing(void) { return 0; }
int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *found) {
  if (!(*function = dlsym(RTLD_DEFAULT, name))) *function = (void *)nothing;
  if (found) *found = 0;
  return 0;
}
C
gcc -fPIC -O1 -w -c runtime_rest.c
echo 'libcudart.so.13 { global: *; };' >version.map
gcc -shared -Wl,--version-script=version.map -Wl,-soname,libcudart.so.13 runtime.o runtime_rest.o -o libcudart.so.13 -ldl -lpthread
gcc -shared -fPIC -O1 -w -Wl,-soname,libcuda.so.1 driver.c -o libcuda.so.1
