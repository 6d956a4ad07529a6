# Setup of the Rails layer: Ruby, Bundler and Puma of the distribution. Nginx is
# in front (nginx::default). Both of OpsWorks' stacks, apache_passenger and
# nginx_unicorn, are served so.
layer=opsworks.layers.${OPSYARD_LAYER:-rails-app}.attributes
bundler=
[ "$(opsyard-agent attr "$layer.ManageBundler" --default true)" = false ] || bundler=yes
case $OPSYARD_OS_FAMILY in
  debian) opsyard-agent package ruby puma ${bundler:+ruby-bundler} logrotate --no-recommends ;;
  *)
    opsyard-agent package ruby ruby-devel ${bundler:+rubygem-bundler} gcc make redhat-rpm-config logrotate
    opsyard-agent exec --unless 'command -v puma' -- gem install --no-document puma
    ;;
esac
wanted=$(opsyard-agent attr "$layer.RubyVersion" --default '')
if [ -n "$wanted" ] && command -v ruby >/dev/null && [[ $(ruby -e 'print RUBY_VERSION') != "$wanted"* ]]; then
  echo "The layer asks for Ruby $wanted; the distribution has $(ruby -e 'print RUBY_VERSION'), which is what runs."
fi
