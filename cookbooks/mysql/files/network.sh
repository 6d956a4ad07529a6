# Prints the network of the address in $1 as accounts name it, such as
# 10.0.0.0/255.255.255.0; nothing when it is not known.
prefix=$(ip -o -4 addr show 2>/dev/null | sed -n "s|.* inet ${1//./\\.}/\([0-9]*\) .*|\1|p" | head -n 1)
if [ -z "$prefix" ]; then
  exit 0
fi
IFS=. read -r a b c d <<<"$1"
mask=$((0xffffffff << (32 - prefix) & 0xffffffff))
net=$(((a << 24 | b << 16 | c << 8 | d) & mask))
dotted() { echo "$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"; }
echo "$(dotted $net)/$(dotted $mask)"
