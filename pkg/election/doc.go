// SPDX-License-Identifier: Apache-2.0

// Package election decides whether this node holds the virtual addresses. It is the state machine of VRRP (RFC 9568,
// section 6; RFC 3768, section 6) with what VRRP alone lacks: the identity probe before a takeover by silence, the distress
// class for a node without a healthy backend, ARP as a second channel, the fence of a process that ran late, and a planned
// stop that makes before it breaks.
//
// Events go in with the time, actions come out. The package does no I/O, reads no clock and starts nothing; the next
// deadline is a value. It is not safe for concurrent use.
//
// # Transitions
//
// The numbers are those of the transition table in README.md; the tests are named by them. A Lease is asked in the modes Hybrid and LeaseOnly:
// arbiter.go has what is known of it, takeover.go the claims. Mode VRRP is the table without rows 6, 14, 15, 17 to 20, 24, 29 to
// 34 and 37, and so is Hybrid while nobody answers for the Lease. Draining is called Seizing here.
//
//	row  state       event                                           actions                                       next
//	1    Initialize  Startup, link up                                release leftovers, set the down timer         Backup
//	2    any         link down                                       advertise 0 (holder), release                 Initialize
//	3    Backup      advertisement of 0                              down timer := skew, probe                     Backup
//	4    Backup      one that is given way to                        learn interval, restart the down timer        Backup
//	5    Backup      any other                                       none: the down timer runs on                  Backup
//	6    Backup      the Lease has another epoch or holder           the time towards a seizure begins anew        Backup
//	7    Backup      shortly before the down timer ends              probe, unless a holder is heard               Backup
//	8    Backup      down timer ends, a holder is heard              acquire, advertise, announce (preemption)     Active
//	9    Backup      down timer ends in silence                      wait for the probe                            Claiming
//	10   Claiming    advertisement that is given way to              restart the down timer                        Backup
//	11   Claiming    probe: Live                                     alarm, ask again in 0.5 s                     Backup
//	12   Claiming    probe: Zombie that may expire                   ask again every 0.1 s                         Claiming
//	12   Claiming    probe: Zombie of a peer that stays              acquire, advertise, announce                  Active
//	12   Claiming    probe: Unasked, while a Zombie may be there     ask again every 0.1 s                         Claiming
//	12   Claiming    probe: Unasked still, no foreign host by ARP    acquire, advertise, announce                  Active
//	13   Claiming    probe: Foreign, or a foreign host stays         alarm, ask again every 1 s                    Conflict
//	14   Claiming    the Lease is read and may be claimed            write it with a new epoch                     Claiming
//	15   Claiming    the Lease is read and fresh                     try again soon; after 8 s, seize it           Backup
//	16   Claiming    probe: Free, or a holder in distress            acquire, advertise, announce                  Active
//	17   Claiming    the Lease is written                            acquire, advertise the claim, announce        Active
//	18   Seizing     the Lease is another's                          none                                          Backup
//	19   Claiming    the Lease of a silent holder is written         wait until that must have seen it             Seizing
//	20   Seizing     the time is over, nobody serves                 acquire, advertise the claim, announce        Active
//	20   Seizing     somebody serves still                           release the Lease, alarm                      Backup
//	21   Active      the holder's timers; its distress begins, ends  advertise, announce                           Active
//	21   Active      did not run for nearly 3 intervals              release                                       Backup
//	22   Active      refresh is due; it came too late                refresh; release                              Active; Backup
//	23   Active      advertisement of 0                              advertise                                     Active
//	24   Active      advertisement of a claim                        yield to a newer, defend against an older     Backup; Active
//	25   Active      advertisement of a higher rank                  advertise once more, release                  Backup
//	26   Active      advertisement of a lower rank                   advertise, announce                           Active
//	27   Active      claim by ARP, of a stranger                     alarm, announce 4 times in 1 s                Active
//	28   Active      claim by ARP, of a peer                         the same, or release when patience ends       Active, Backup
//	29   Active      the renewal is due                              write the Lease, over the own one only        Active
//	30   Active      the Lease has a newer epoch of another          release                                       Backup
//	31   Active      the Lease is gone, older or released            write it with a new epoch                     Active
//	32   Active      without a claim, the Lease may be claimed       write it, advertise the claim                 Active
//	33   Active      without a claim, another renews the Lease       release                                       Backup
//	34   Active      in distress, with a claim                       release the Lease, keep the addresses         Active
//	35   Active      the address was deleted                         acquire, announce                             Active
//	36   Active      Shutdown                                        advertise 0 twice, keep serving               Leaving
//	36   Leaving     word of a successor, or the bound               release, finished                             Initialize
//	37   Active      Handover                                        the same, but stay; or invite a named node    Leaving; Active
//	37   Backup      invited, or ranks higher and preempts           write the Lease with a new epoch              Claiming
//	38   others      Shutdown                                        release, finished                             Initialize
//	39   Conflict    Free twice, or a peer has it                    down timer := skew, or whole                  Backup
package election
