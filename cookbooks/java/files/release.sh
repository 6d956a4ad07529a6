# Prints the name of an app's current release, or of the one before it.
opsyard-agent release list "$1" | case $2 in
  current) awk '$1 == "*" { print $2 }' ;;
  previous) awk '$1 == "*" { print last } { last = $1 }' ;;
esac
