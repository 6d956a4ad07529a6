# Dumps all databases into a new file of the directory $1, keeps the $2 newest,
# and gives up after $3 seconds. A dump that was cut leaves nothing behind.
directory=$1 keep=$2 limit=$3
umask 077
mkdir -p "$directory"
rm -f "$directory"/*.part
new=$directory/$(date -u +%Y%m%d%H%M%S).sql.gz
trap 'rm -f "$new.part"' EXIT
if ! timeout --kill-after=5 "$limit" bash -euo pipefail -c \
  'mariadb-dump --all-databases --single-transaction --quick --routines --events | gzip -1 >"$0"' "$new.part"; then
  echo "The dump of all databases failed or took longer than $limit seconds." >&2
  exit 1
fi
sync "$new.part"
mv "$new.part" "$new"
echo "All databases were dumped to $new."
find "$directory" -maxdepth 1 -name '*.sql.gz' | sort -r | tail -n "+$((keep + 1))" | xargs -r rm --
