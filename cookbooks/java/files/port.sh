# Prints a port of the loopback address that no app has.
taken=" $(cat /var/lib/opsyard-tomcat/*/port 2>/dev/null | tr '\n' ' ') "
for port in {18100..18999}; do
  if [[ $taken != *" $port "* ]] && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "$port"
    exit
  fi
done
echo 'No port between 18100 and 18999 is free for Tomcat.' >&2
exit 1
