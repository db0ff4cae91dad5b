// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// runRenew replaces the certificate of credentials that are there, if it is time. What is not given by a flag stays as it was,
// so that a timer needs to know nothing of how the credentials were made.
func (o *kubeconfigOptions) runRenew(s streams, given func(flag string) bool) error {
	server := o.server
	if _, err := o.configuration(); err != nil {
		return usageError(err)
	}
	old, err := readIssued(o.output)
	if err != nil {
		return err
	}
	ca, err := o.readCA()
	if err != nil {
		return err
	}
	now := time.Now()
	why, due := old.Due(now, o.before, ca)
	if !due {
		_, err := fmt.Fprintf(s.err, "%s is good until %s, for %s: nothing to do\n", o.output, old.Until.UTC().Format(time.RFC3339), days(old.Until.Sub(now)))
		return err
	}
	if server == "" {
		o.server = old.Server
	}
	if !given("validity") {
		o.validity = old.Until.Sub(old.From)
	}
	document, expires, err := o.sign(old.ServerName, old.ClusterName)
	if err != nil {
		return fmt.Errorf("the certificate of %s is to be replaced, as %s: %w", o.output, why, err)
	}
	if err := writePrivate(o.output, document); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.err, "Renewed %s, as %s: for user %s until %s\n", o.output, why, kubeapi.User, expires.UTC().Format(time.RFC3339))
	return err
}

// readIssued reads the credentials that are to be renewed.
func readIssued(path string) (kubeapi.Issued, error) {
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kubeapi.Issued{}, fmt.Errorf("%s does not exist: there is nothing to renew; make it with harbinger kubeconfig", path)
	}
	if err != nil {
		return kubeapi.Issued{}, err
	}
	issued, err := kubeapi.ReadIssued(document)
	if err != nil {
		err = fmt.Errorf("%s: %w: renew it by the means that made it, or replace it with harbinger kubeconfig", path, err)
	}
	return issued, err
}

// days is a duration in whole days, for people.
func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return strconv.Itoa(n) + " days"
	}
	return "1 day"
}

// lifetime is the value of a flag: a duration of Go, or whole days.
type lifetime time.Duration

func (l *lifetime) Type() string { return "duration" }

func (l *lifetime) String() string {
	if *l == 0 {
		return "" // no default to show
	}
	return time.Duration(*l).String()
}

func (l *lifetime) Set(s string) error {
	if number, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil {
			*l = lifetime(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration such as 30d or 720h", s)
	}
	*l = lifetime(d)
	return nil
}
