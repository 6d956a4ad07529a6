# Sourced: where this distribution keeps Tomcat, and the Tomcats of the apps.
tomcats=/var/lib/opsyard-tomcat
layer=opsworks.layers.${OPSYARD_LAYER:-java-app}.attributes
case $OPSYARD_OS_FAMILY in
  debian)
    # The version that the layer asks for, if the distribution has it; else its newest.
    tomcat=tomcat10
    for version in $(opsyard-agent attr "$layer.JavaAppServerVersion" --default '') 11 10 9; do
      if [ "$(apt-cache policy "tomcat$version" 2>/dev/null | sed -n 's/^ *Candidate: //p')" ]; then
        tomcat=tomcat$version
        break
      fi
    done
    home=/usr/share/$tomcat conf=/usr/share/$tomcat/etc
    ;;
  *) tomcat=tomcat home=/usr/share/tomcat conf=/etc/tomcat ;;
esac
