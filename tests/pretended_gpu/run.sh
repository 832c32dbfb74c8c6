#!/usr/bin/env bash
# run.sh PACKAGES BUILT "FLAGS" COMMAND...: runs a command, as root, in a mount namespace of its own where torch sees a GPU.
# PACKAGES and BUILT are those of build.sh. Flags: those of runtime.c; nonodes (no device files), mode=0660 (of them).
set -euo pipefail
export PACKAGES=$1 BUILT=$2 FLAGS=$3
shift 3
exec unshare --mount --propagation private bash -c '
set -euo pipefail
for runtime in "$PACKAGES"/nvidia/*/lib/libcudart.so.13; do mount --bind "$BUILT/libcudart.so.13" "$runtime"; done
flags=/usr/share/doc/base-files; mount -t tmpfs none $flags
has() { [ -e $flags/pretended-$1 ]; }
mode=666
for flag in $FLAGS; do case $flag in mode=*) mode=${flag#mode=};; *) : >$flags/pretended-$flag;; esac; done

# A /dev of its own, which the box can make its own from.
tmp=$(mktemp -d); mount -t tmpfs none "$tmp"; dev=$tmp/dev; mkdir -p "$dev"; mount -t tmpfs -o mode=755 none "$dev"
n=3; for name in null - zero - full random urandom; do [ $name = - ] || mknod -m 666 "$dev/$name" c 1 $n; n=$((n + 1)); done
mknod -m 666 "$dev/tty" c 5 0
ln -s /proc/self/fd "$dev/fd"; ln -s fd/0 "$dev/stdin"; ln -s fd/1 "$dev/stdout"; ln -s fd/2 "$dev/stderr"
mkdir "$dev/shm" "$dev/pts"; mount --rbind /dev/pts "$dev/pts"; mount -t tmpfs -o mode=1777 none "$dev/shm"
ln -s pts/ptmx "$dev/ptmx"
if ! has nonodes; then
  for node in nvidia0 nvidiactl nvidia-uvm nvidia-uvm-tools; do mknod -m $mode "$dev/$node" c 1 3; done
  if has two; then mknod -m $mode "$dev/nvidia1" c 1 3; fi
  if has mig; then mkdir "$dev/nvidia-caps"; mknod -m 444 "$dev/nvidia-caps/nvidia-cap1" c 1 3; fi
fi
mount --rbind "$dev" /dev

libraries=$(dirname "$(readlink -f /usr/lib/*-linux-gnu/libc.so.6)")
if has colab; then
  mount -t tmpfs none /usr/local/games; mkdir /usr/local/games/lib64-nvidia
  cp "$BUILT/libcuda.so.1" /usr/local/games/lib64-nvidia/; export LD_LIBRARY_PATH=/usr/local/games/lib64-nvidia
else
  mkdir "$tmp/upper" "$tmp/work"; cp "$BUILT/libcuda.so.1" "$tmp/upper/"
  mount -t overlay overlay -o "lowerdir=$libraries,upperdir=$tmp/upper,workdir=$tmp/work" "$libraries"
fi
exec "$@"
' bash "$@"
