// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

const (
	// statusTimeout bounds one question to the sidecar of this host, or to another host.
	statusTimeout = 2 * time.Second
	// statusInterval is how often --watch asks, and waitInterval how often --wait does.
	statusInterval = time.Second
	waitInterval   = 200 * time.Millisecond
)

const defaultStatusAddress = v1alpha1.DefaultStatusBindAddress

// The forms of the output of harbinger status.
const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

// The values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

type statusOptions struct {
	address     string
	output      string
	color       string
	watch       bool
	all         bool
	connections bool
	wait        time.Duration
	args        []string // of the command
}

func newStatusCommand(s streams) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is wrong and what to do, who holds the virtual addresses and why",
		Long: `Show what is wrong and what to do, who holds the virtual addresses and why,
the other hosts, the balancer and its backends, and the last moves.

The exit code is 0 where this host is ready, with --all where each host
is, and 1 where it is not or does not answer. With --watch it is 0, and
with --connections where the balancer answers.`,
		Example: `  harbinger status
  harbinger status --wait 30s
  harbinger status -o json
  harbinger status --connections`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), s)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *statusOptions) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	o.addAddress(cmd)
	addChoice(cmd, &o.output, "output", "o", outputTable, "table, wide, json or yaml", outputTable, outputWide, outputJSON, outputYAML)
	addChoice(cmd, &o.color, "color", "", colorAuto, "auto (on a terminal, unless NO_COLOR is set), always or never", colorAuto, colorAlways, colorNever)
	flags.BoolVarP(&o.watch, "watch", "w", false, "show the status anew every second until interrupted")
	flags.BoolVar(&o.all, "all", false, "ask every host that this one knows, and show one table of them")
	flags.BoolVar(&o.connections, "connections", false, "show the connections that the balancer of this host relays, and the last that have ended; for root only")
	flags.DurationVar(&o.wait, "wait", 0, "how long to wait at most until it is ready")
}

// addAddress adds the flag that says whom to ask.
func (o *statusOptions) addAddress(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.address, "address", defaultStatusAddress, "address at which the sidecar of this host serves its status (status.bindAddress)")
	complete(cmd, examples(defaultStatusAddress), "address")
}

// validate refuses what makes no sense.
func (o *statusOptions) validate() error {
	var errs []error
	if o.wait < 0 {
		errs = append(errs, fmt.Errorf("--wait %s: must be 0 or more", o.wait))
	}
	if o.watch && o.wait > 0 {
		errs = append(errs, errors.New("--wait: goes without --watch only"))
	}
	if o.connections && (o.all || o.wait > 0) {
		errs = append(errs, errors.New("--connections: goes without --all and --wait only"))
	}
	return usageError(errors.Join(errs...))
}

// seen is what one look at the status has found.
type seen struct {
	document any                           // for programs
	text     func(terminal.Options) string // for people
	ready    bool
}

func (o *statusOptions) run(ctx context.Context, s streams) error {
	o.args = s.args
	if err := o.validate(); err != nil {
		return err
	}
	if o.watch {
		return o.follow(ctx, s)
	}
	found, err := o.await(ctx)
	if err != nil {
		return err
	}
	if err := o.show(s.out, found); err != nil {
		return err
	}
	if !found.ready {
		return errNotReady
	}
	return nil
}

// errNotReady is the exit code of a host that is not ready. The output says why.
var errNotReady = said{errors.New("not ready")}

// await looks until all is ready, or for as long as --wait says.
func (o *statusOptions) await(ctx context.Context) (seen, error) {
	until := time.Now().Add(o.wait)
	for {
		found, err := o.look(ctx)
		if err == nil && found.ready || isUsage(err) || !time.Now().Before(until) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, err
		case <-time.After(waitInterval):
		}
	}
}

// look asks once.
func (o *statusOptions) look(ctx context.Context) (seen, error) {
	status, err := o.ask(ctx)
	switch {
	case err != nil:
		return seen{}, err
	case o.all:
		return lookAtAll(ctx, status)
	case o.connections:
		return o.lookAtConnections(ctx, status)
	}
	return seen{status, func(options terminal.Options) string { return terminal.Render(status, options) }, status.Ready}, nil
}

// show prints what was seen.
func (o *statusOptions) show(w io.Writer, found seen) error {
	switch o.output {
	case outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found.document)
	case outputYAML:
		text, err := yaml.Marshal(found.document)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "---\n%s", text)
		return err
	}
	width, _ := size(w)
	_, err := io.WriteString(w, found.text(o.terminal(w, width)))
	return err
}

// terminal says how text is written for somebody who looks at it.
func (o *statusOptions) terminal(w io.Writer, width int) terminal.Options {
	return terminal.Options{
		Now: time.Now(), Width: width, Wide: o.output == outputWide,
		Color: o.color == colorAlways || o.color == colorAuto && isTerminal(w) && os.Getenv("NO_COLOR") == "",
	}
}

func (o *statusOptions) ask(ctx context.Context) (*statusv1alpha1.HarbingerStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.address+"/status", nil)
	if err != nil {
		return nil, usageError(fmt.Errorf("--address %q: must be an address and a port, for instance %s", o.address, defaultStatusAddress))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the sidecar of this host does not answer on %s: it %s. Is the pod running? crictl ps -a --name harbinger shows it; where the configuration names another status.bindAddress, so must --address", o.address, fault.Brief(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s instead of the status: is it another program? status.bindAddress of the configuration says where the sidecar answers (--address)", o.address, response.Status)
	}
	var status statusv1alpha1.HarbingerStatus
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return nil, fmt.Errorf("the answer of %s is no status: %s. Is it another program? status.bindAddress of the configuration says where the sidecar answers (--address)", o.address, fault.Brief(err))
	}
	return &status, nil
}
