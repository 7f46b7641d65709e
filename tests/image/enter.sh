# Enters the image: enter.sh FILES DATA COMMAND... In a mount namespace of its own, so that nothing is left behind.
set -eu
files=$1 data=$2
shift 2
mount --bind "$files" "$files"
if [ -d "$files/data" ]; then
    mount --bind "$data" "$files/data"
    for device in null random urandom; do
        mount --bind "/dev/$device" "$files/dev/$device"
    done
fi
mount -o remount,ro,bind "$files"
if [ "$(id -u)" = 0 ]; then
    exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$files" "$@"
fi
exec setpriv --no-new-privs chroot "$files" "$@"
