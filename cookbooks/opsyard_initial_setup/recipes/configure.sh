# Keeps the names of all online instances in /etc/hosts.
opsyard-agent template hosts.tmpl /etc/hosts --block 'Opsyard: the online instances of this stack'
