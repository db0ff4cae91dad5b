// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"context"
	"fmt"
	"net"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A balancer listens on the virtual address of a host that does not hold it yet, so that the first client after a takeover finds
// it listening.
func ExampleFreeBind() {
	_, err := net.Listen("tcp4", "192.0.2.1:0")
	fmt.Println("without FreeBind:", err != nil)
	listen := net.ListenConfig{Control: socket.FreeBind}
	listener, err := listen.Listen(context.Background(), "tcp4", "192.0.2.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	fmt.Println("with FreeBind:", listener.Addr().(*net.TCPAddr).IP)
	// Output:
	// without FreeBind: true
	// with FreeBind: 192.0.2.1
}
