# Runs before each Deploy: what fetching the apps needs.
for app in $(opsyard-agent app list); do
  case $(opsyard-agent attr --private "apps.$app.source.type" --default other) in
    git) command -v git >/dev/null || opsyard-agent package git ca-certificates openssh-client --no-recommends ;;
    svn) command -v svn >/dev/null || opsyard-agent package subversion ca-certificates --no-recommends ;;
    *) ;;
  esac
done
