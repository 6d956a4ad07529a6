# Setup of PHP: processes of their own (FPM), to which Apache passes requests.
case $OPSYARD_OS_FAMILY in
  debian) opsyard-agent package php-fpm php-cli php-curl php-gd php-mbstring php-xml php-zip --no-recommends ;;
  *) opsyard-agent package php-fpm php-cli php-gd php-mbstring php-xml php-pecl-zip ;;
esac
. ../apache/files/paths.sh
opsyard-agent template fpm.conf.tmpl "$fpm_pools/opsyard.conf" --notify "$fpm_reload"
opsyard-agent service "$fpm" --enable --start
