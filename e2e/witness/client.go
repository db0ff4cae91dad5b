// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// health says after which time a kept connection on which nothing comes is pinged, and after which it is given up without an
// answer: the other side may have ended without closing it. That is 4 s after the last packet in all, but 45 s for an idle
// witness, which has the values of client-go, as kubectl has.
func (o options) health() *http.HTTP2Config {
	if o.idle {
		return &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	}
	return &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: 2 * time.Second}
}

// keepAlive is between two TCP probes on a connection, as client-go has it.
const keepAlive = 30 * time.Second

// newTransport returns connections of their own to the server of a kubeconfig.
func newTransport(config *rest.Config, timeout time.Duration) (*http.Transport, error) {
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: keepAlive}
	return &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: timeout}, nil
}

// A versionAsker asks for the version, on a new connection each time.
type versionAsker struct {
	url    string
	client *http.Client
}

func newVersionAsker(config *rest.Config, timeout time.Duration) (*versionAsker, error) {
	transport, err := newTransport(config, timeout)
	if err != nil {
		return nil, err
	}
	transport.DisableKeepAlives = true
	authenticated, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	return &versionAsker{strings.TrimSuffix(config.Host, "/") + "/version", &http.Client{Transport: authenticated}}, nil
}

func (v *versionAsker) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil)
	if err != nil {
		return err
	}
	response, err := v.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// configMaps are those of one namespace, over one kept connection.
type configMaps struct {
	client *rest.RESTClient
	path   string
}

func newConfigMaps(config *rest.Config, o options) (*configMaps, error) {
	transport, err := newTransport(config, o.timeout)
	if err != nil {
		return nil, err
	}
	transport.ForceAttemptHTTP2 = true
	transport.HTTP2 = o.health()
	authenticated, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS = -1 // the witness has a pace of its own
	config.WarningHandler = rest.NoWarnings{}
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: authenticated})
	if err != nil {
		return nil, err
	}
	return &configMaps{client, "/api/v1/namespaces/" + o.namespace + "/configmaps"}, nil
}

// list returns what is there, and is no older than the question.
func (c *configMaps) list(ctx context.Context) (*corev1.ConfigMapList, error) {
	list := &corev1.ConfigMapList{}
	return list, c.client.Get().AbsPath(c.path).MaxRetries(0).Do(ctx).Into(list)
}

// version returns the version of an object that is there now.
func (c *configMaps) version(ctx context.Context, name string) (string, error) {
	object := &corev1.ConfigMap{}
	err := c.client.Get().AbsPath(c.path, name).MaxRetries(0).Do(ctx).Into(object)
	return object.ResourceVersion, err
}

// valueKey is where an object has its value.
const valueKey = "value"

// write replaces a version of an object, or creates it where there is none, and returns the new version.
func (c *configMaps) write(ctx context.Context, name, base, value string) (string, error) {
	object := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: base},
		Data:       map[string]string{valueKey: value},
	}
	request := c.client.Post().AbsPath(c.path)
	if base != "" {
		request = c.client.Put().AbsPath(c.path, name)
	}
	stored := &corev1.ConfigMap{}
	err := request.MaxRetries(0).Body(object).Do(ctx).Into(stored)
	return stored.ResourceVersion, err
}

// watch returns the stream of what happens after a version, as JSON.
func (c *configMaps) watch(ctx context.Context, after string) (io.ReadCloser, error) {
	return c.client.Get().AbsPath(c.path).Param("watch", "true").Param("resourceVersion", after).MaxRetries(0).Stream(ctx)
}
