// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// expiresSoon is how long before its end a client certificate is logged as a warning, once a day.
const (
	expiresSoon = 30 * 24 * time.Hour
	warnEvery   = 24 * time.Hour
)

// errNoCredentials says that there is no kubeconfig.
var errNoCredentials = errors.New("no credentials")

// credentials are the content of a kubeconfig and of the files that it names.
type credentials struct {
	config  *rest.Config // with everything inline
	digest  [sha256.Size]byte
	expires time.Time // of the client certificate; zero: there is none
}

func (c *credentials) expired(now time.Time) bool { return !c.expires.IsZero() && now.After(c.expires) }

// readCredentials reads a kubeconfig. The error is errNoCredentials if there is no such file.
func readCredentials(path string) (*credentials, error) {
	raw, err := hostfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", errNoCredentials, path)
	}
	if err != nil {
		return nil, err
	}
	config, err := parseKubeconfig(path, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := inline(config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &credentials{config: config}
	parts := [][]byte{raw, config.CAData, config.CertData, config.KeyData, []byte(config.BearerToken)}
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write(part)
	}
	hash.Sum(c.digest[:0])
	if c.expires, err = notAfter(config.CertData); err != nil {
		return nil, fmt.Errorf("%s: client certificate: %w", path, err)
	}
	return c, nil
}

// parseKubeconfig returns what the current context of a kubeconfig says. The names of files in it are relative to its own.
func parseKubeconfig(path string, raw []byte) (*rest.Config, error) {
	file, err := clientcmd.Load(raw)
	if err != nil {
		return nil, err
	}
	for _, cluster := range file.Clusters {
		cluster.LocationOfOrigin = path
	}
	for _, user := range file.AuthInfos {
		user.LocationOfOrigin = path
	}
	if err := clientcmd.ResolveLocalPaths(file); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewDefaultClientConfig(*file, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, err
	}
	if config.ExecProvider != nil || config.AuthProvider != nil {
		return nil, errors.New("credentials come from a plugin, which the pod does not have: use a client certificate or a token")
	}
	if !strings.HasPrefix(config.Host, "https://") {
		return nil, fmt.Errorf("server %q is not an https:// address", config.Host)
	}
	if config.CertFile == "" && len(config.CertData) == 0 && config.BearerToken == "" && config.BearerTokenFile == "" && config.Username == "" {
		return nil, errors.New("the user has neither a client certificate nor a token: is the file complete?")
	}
	return config, nil
}

// inline replaces the files that a configuration names by their content, so that it can be compared and they are not read again.
func inline(config *rest.Config) error {
	if err := rest.LoadTLSFiles(config); err != nil {
		return err
	}
	for name, content := range map[string][]byte{config.CAFile: config.CAData, config.CertFile: config.CertData, config.KeyFile: config.KeyData} {
		if name != "" && !whole(content) {
			return fmt.Errorf("%s is empty or incomplete", name)
		}
	}
	if config.BearerTokenFile != "" {
		token, err := hostfile.Read(config.BearerTokenFile)
		if err != nil {
			return err
		}
		if config.BearerToken = strings.TrimSpace(string(token)); config.BearerToken == "" {
			return fmt.Errorf("%s is empty", config.BearerTokenFile)
		}
	}
	config.CAFile, config.CertFile, config.KeyFile, config.BearerTokenFile = "", "", "", ""
	_, err := rest.TLSConfigFor(config)
	return err
}

// whole reports whether a PEM document has blocks that end as often as they begin: one that is just being written has not.
func whole(document []byte) bool {
	begun := bytes.Count(document, []byte("-----BEGIN "))
	return begun > 0 && begun == bytes.Count(document, []byte("-----END "))
}

// notAfter returns when the first certificate of a PEM document expires.
func notAfter(document []byte) (time.Time, error) {
	if len(document) == 0 {
		return time.Time{}, nil
	}
	block, _ := pem.Decode(document)
	if block == nil {
		return time.Time{}, errors.New("is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return certificate.NotAfter, nil
}

// followCredentials reads the kubeconfig, and the files that it names, periodically. Their content is compared, whatever way it
// came there.
func (c *Client) followCredentials(ctx context.Context) error {
	ticker := time.NewTicker(c.opts.CredentialsInterval)
	defer ticker.Stop()
	for {
		c.loadCredentials()
		c.warnOfExpiry()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// goneAfter is how often in a row the kubeconfig must be missing until there are no credentials any more: it may just be in the
// middle of its replacement.
const goneAfter = 3

// loadCredentials uses what is in the kubeconfig now. Without the file there are no credentials; a file that cannot be used,
// such as one that is half-written, leaves the previous ones in force.
func (c *Client) loadCredentials() {
	found, err := readCredentials(c.opts.Kubeconfig)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(err, errNoCredentials) {
		c.missing = 0
	} else if c.missing++; c.session != nil && c.missing < goneAfter {
		return
	}
	switch {
	case errors.Is(err, errNoCredentials):
		c.replaceSession(nil)
	case err == nil && (c.session == nil || c.session.credentials.digest != found.digest):
		c.replaceSession(newSession(found))
		c.log.Info(logging.MsgCredentialsLoaded, logging.KeyFile, c.opts.Kubeconfig, logging.KeyServer, found.config.Host)
	}
	problem := ""
	if err != nil {
		problem = fault.Words(err)
	}
	if problem != c.problem && problem != "" {
		logging.Warn(c.log, logging.MsgCredentialsBad, logging.KeyReason, problem)
	}
	c.problem = problem
}

// replaceSession lets later questions use other credentials and connections. The caller holds the lock.
func (c *Client) replaceSession(s *session) {
	if c.session != nil {
		c.session.close()
	}
	c.session, c.warned = s, time.Time{}
}

func (c *Client) warnOfExpiry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	if c.session == nil || !c.warned.IsZero() && now.Sub(c.warned) < warnEvery {
		return
	}
	switch used := c.session.credentials; {
	case used.expires.IsZero():
	case used.expired(now):
		c.warned = now
		c.log.Error(nil, logging.MsgCredentialsOver, logging.KeyFile, c.opts.Kubeconfig, logging.KeyExpires, used.expires, logging.KeyRemedy, remedy)
	case used.expires.Sub(now) < expiresSoon:
		c.warned = now
		logging.Warn(c.log, logging.MsgCredentialsExpire, logging.KeyFile, c.opts.Kubeconfig, logging.KeyExpires, used.expires, logging.KeyRemedy, remedy)
	}
}

const remedy = "run harbinger kubeconfig on a node that has the key of the cluster's CA"

func (c *Client) expiredProblem(used *credentials) string {
	return fmt.Sprintf("%s: the client certificate expired at %s: %s", c.opts.Kubeconfig, used.expires.UTC().Format(time.RFC3339), remedy)
}
