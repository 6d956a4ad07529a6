web=
if [ -f Procfile ]; then
  web=$(sed -n 's/^web:[[:space:]]*//p' Procfile | head -n 1)
fi
if [ -n "$web" ]; then
  exec bash -c "$web"
fi
if [ -f "$app" ] && [ -x "$app" ]; then
  exec "./$app"
fi
echo "There is neither a Procfile with a line web: nor a program $app."
exit 1
