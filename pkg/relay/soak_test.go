// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// A behaviour is what a client asks for, in its first bytes, and how it and the backend behave then.
type behaviour struct {
	seed     uint64
	up, down uint32 // bytes
	pieces   uint32 // of what is written
	slow     bool   // each reads in small pieces, with breaks
	early    bool   // the backend answers before it has read all
	resets   uint8  // 1: the client, 2: the backend, in the midst
	silent   bool   // neither does anything before the client goes
}

const behaviourSize = 8 + 4 + 4 + 4 + 4

func drawBehaviour(r *rand.Rand) behaviour {
	sizes := []uint32{0, 1, 1, 10, 500, 500, 1000, 1000, bufferSize - 50, bufferSize, 300_000, 2 << 20}
	size := func() uint32 { return sizes[r.IntN(len(sizes))] + r.Uint32N(100) }
	b := behaviour{
		seed: r.Uint64(), up: size(), down: size(), pieces: 1 + r.Uint32N(200_000),
		slow: r.IntN(10) == 0, early: r.IntN(2) == 0, silent: r.IntN(10) == 0,
	}
	if r.IntN(4) == 0 {
		b.resets = uint8(1 + r.IntN(2))
	}
	if max(b.up, b.down) < 2000 {
		b.pieces = 1 + r.Uint32N(20)
	}
	return b
}

func (b behaviour) encode() []byte {
	flag := func(b bool) byte {
		if b {
			return 1
		}
		return 0
	}
	all := binary.BigEndian.AppendUint64(nil, b.seed)
	for _, n := range []uint32{b.up, b.down, b.pieces} {
		all = binary.BigEndian.AppendUint32(all, n)
	}
	return append(all, flag(b.slow), flag(b.early), b.resets, flag(b.silent))
}

func decodeBehaviour(all []byte) behaviour {
	n := func(at int) uint32 { return binary.BigEndian.Uint32(all[at:]) }
	return behaviour{
		seed: binary.BigEndian.Uint64(all), up: n(8), down: n(12), pieces: n(16),
		slow: all[20] == 1, early: all[21] == 1, resets: all[22], silent: all[23] == 1,
	}
}

// content returns what one side sends.
func content(seed uint64, size uint32) []byte {
	b := make([]byte, size+8)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := uint32(0); i < size; i += 8 {
		binary.BigEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:size]
}

// write writes what one side has to say; the side that resets stops half way.
func (b behaviour) write(conn *net.TCPConn, what []byte, resets bool) error {
	if resets {
		what = what[:len(what)/2]
	}
	for len(what) > 0 {
		n, err := conn.Write(what[:min(len(what), int(b.pieces))])
		if err != nil {
			return err
		}
		what = what[n:]
	}
	return nil
}

// read reads until the other side has finished, and compares.
func (b behaviour) read(conn *net.TCPConn, want []byte) error {
	sum := crc32.NewIEEE()
	var n int64
	var err error
	if b.slow {
		for buffer := make([]byte, 30_000); err == nil; {
			var k int
			k, err = conn.Read(buffer[:1+rand.IntN(len(buffer))])
			sum.Write(buffer[:k])
			n += int64(k)
			<-time.After(100 * time.Microsecond)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
	} else {
		n, err = io.Copy(sum, struct{ io.Reader }{conn})
	}
	if err == nil && (n != int64(len(want)) || sum.Sum32() != crc32.ChecksumIEEE(want)) {
		return fmt.Errorf("%d bytes came, or others, want %d", n, len(want))
	}
	return err
}

// play plays one side of a connection.
func (b behaviour) play(conn *net.TCPConn, from, to []byte, resets, first bool) error {
	var broken, unread error
	say := func() {
		if broken = b.write(conn, from, resets); broken == nil && !resets {
			broken = conn.CloseWrite()
		}
	}
	var wait sync.WaitGroup
	if first {
		wait.Go(say)
	}
	if resets {
		wait.Wait()
		say()
		return conn.SetLinger(0) // and it is closed
	}
	unread = b.read(conn, to)
	if !first && unread == nil {
		say()
	}
	wait.Wait()
	if unread != nil {
		return unread
	}
	return broken
}

// serve is a backend that behaves as its client wants.
func (s *soak) serve(conn *net.TCPConn) {
	s.serving.Add(1)
	defer s.serving.Add(-1)
	defer conn.Close()
	asked := make([]byte, behaviourSize)
	if _, err := io.ReadFull(conn, asked); err != nil {
		return // the client has gone
	}
	b := decodeBehaviour(asked)
	if b.silent {
		io.Copy(io.Discard, conn)
		return
	}
	err := b.play(conn, content(b.seed+1, b.down), content(b.seed, b.up), b.resets == 2, b.early)
	if err != nil && b.resets == 0 {
		s.t.Errorf("backend of %+v: %v", b, err)
	}
}

// A soak is a relay whose clients and backends do whatever they may.
type soak struct {
	t                         testing.TB
	whole, broken, n, serving atomic.Int64
}

// client is one connection.
func (s *soak) client(address netip.AddrPort, r *rand.Rand) {
	s.n.Add(1)
	conn, err := net.DialTimeout("tcp", address.String(), patience)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	b, tcp := drawBehaviour(r), withDeadline(s.t, conn.(*net.TCPConn))
	must(s.t, tcp.SetDeadline(time.Now().Add(3*patience)))
	if _, err := tcp.Write(b.encode()); err != nil {
		s.t.Error(err)
		return
	}
	if b.silent {
		return
	}
	err = b.play(tcp, content(b.seed, b.up), content(b.seed+1, b.down), b.resets == 1, true)
	switch {
	case err == nil && b.resets != 2:
		s.whole.Add(1)
	case err == nil:
		s.t.Errorf("client of %+v: it ends in an orderly way", b)
	case b.resets == 0:
		s.t.Errorf("client of %+v: %v", b, err)
	default:
		s.broken.Add(1)
	}
}

// Clients and backends do whatever they may: no byte is lost or changed, and at the end nothing is left.
func TestSoak(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			s := &soak{t: t}
			first, second := newBackend(t, s.serve), newBackend(t, s.serve)
			b := newRelayWith(t, workers, func(r *Relay) *Route {
				return routeTo(r, balance.Timeouts{Connect: patience, KeepAlive: time.Minute}, first, second)
			})
			end := time.Now().Add(2 * time.Second)
			var clients sync.WaitGroup
			for k := range 16 {
				r := rand.New(rand.NewPCG(uint64(workers), uint64(k)))
				clients.Go(func() {
					for time.Now().Before(end) && !t.Failed() {
						s.client(b.address, r)
					}
				})
			}
			clients.Wait()
			b.untilEmpty(t)
			labtest.Until(t, 3*patience, "the slow backends have read all", func() bool { return s.serving.Load() == 0 })
			t.Logf("%d connections, %d of them whole, %d reset", s.n.Load(), s.whole.Load(), s.broken.Load())
			if s.whole.Load() == 0 || s.broken.Load() == 0 {
				t.Error("too little has happened")
			}
		})
	}
}
