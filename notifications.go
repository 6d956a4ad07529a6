package main

import (
	"log/slog"

	"opsyard/engine/notify"
)

// notifyFlags are what notifications can be sent with.
type notifyFlags struct {
	SMTP                  string `name:"smtp" help:"Mail server for notifications: smtp://USER:PASSWORD@HOST:PORT, smtps:// or smtp+plain://."`
	SMTPFrom              string `name:"smtp-from" help:"Sender of mails. Default: opsyard at the mail server's host."`
	AllowInternalWebhooks bool   `help:"Let webhooks go to loopback and private addresses."`
}

// sender makes what delivers notifications.
func (f notifyFlags) sender(log *slog.Logger) (*notify.Sender, error) {
	mail, err := notify.ParseMailServer(f.SMTP, f.SMTPFrom)
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Config{Log: log, Version: version, AllowInternal: f.AllowInternalWebhooks, Mail: mail}), nil
}
