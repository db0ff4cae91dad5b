// SPDX-License-Identifier: Apache-2.0

package haproxy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
)

// environment has the variables of the tests.
func environment(name string) (string, bool) {
	value, set := map[string]string{"PORT": "9443", "LIST": "one two", "EMPTY": ""}[name]
	return value, set
}

// asked are lines for haproxy's own lexer: it prints the second word of a line that begins with .notice.
var asked = []string{
	`plain`, `a\ b`, `a#b`, `a\#b`, `"a # b"`, `'a # b'`, `'$PORT\n'`, `"$PORT"`, `"${PORT}"`, `x"${PORT}"y`, `$PORT`, `"\$PORT"`, `\$PORT`, `a\q`,
	`"a\qb"`, `"a\"b"`, `a\"b`, `a\'b`, `"it's"`, `'say "x"'`, `a"b c"'d e'f`, `\x41b`, `"\x41b"`, `'\x41'`, `a\\b`, `"a\\b"`, `'a\\b'`, `""`, `''`,
	`"$EMPTY"`, `"x${EMPTY}y"`, `"${NONE-fallback}"`, `"${PORT-fallback}"`, `"${EMPTY-fallback}"`, `"${.LINE}"`, `"$.LINE"`, `abc\`, "a\tb", `"${PORT}:${PORT}"`,
	`"$PORT.x"`, `"$PORT-x"`, `a\,b`, `'a\'b`, `"\'"`, `"\#"`, `\ `, `"tab	tab"`, `%[src]`, `"a"b"c"`, `a=b`, `a\tb`, `"${LIST}"`, `"x"#y`, `"\ "`,
}

// TestLexerAgreesWithHAProxy has haproxy take the same lines apart.
func TestLexerAgreesWithHAProxy(t *testing.T) {
	var file strings.Builder
	for _, line := range asked {
		fmt.Fprintf(&file, ".notice %s\n", line)
	}
	file.WriteString("listen a\n mode tcp\n bind 127.0.0.1:1\n server b 127.0.0.1:2\n")
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-c", "-f", name)
	cmd.Env = []string{"PORT=9443", "LIST=one two", "EMPTY="}
	output, err := cmd.CombinedOutput()
	said := map[int]string{}
	for _, match := range regexp.MustCompile(`(?m)parsing \[.*:(\d+)\]: '(.*)'\.$`).FindAllStringSubmatch(string(output), -1) {
		line, _ := strconv.Atoi(match[1])
		said[line] = match[2]
	}
	if len(said) == 0 {
		t.Fatalf("haproxy says nothing: %v, %s", err, output)
	}
	for i, line := range asked {
		lookup := func(name string) (string, bool) {
			if name == ".LINE" {
				return strconv.Itoa(i + 1), true
			}
			return environment(name)
		}
		words, _ := haproxy.Words(".notice "+line, lookup)
		want, known := said[i+1]
		if got := strings.Join(words[min(1, len(words)):], "|"); known && got != want || !known && len(words) == 2 {
			t.Errorf("%s is %q here, and %q to haproxy (%t)", line, got, want, known)
		}
	}
}

func TestLexer(t *testing.T) {
	for line, want := range map[string][]string{
		"":                            nil,
		" # a comment":                nil,
		"a b\tc\r":                    {"a", "b", "c"},
		`server "a b" c#d`:            {"server", "a b", "c"},
		`x "${LIST[*]}" y`:            {"x", "one", "two", "y"},
		`x "a${LIST[*]}b"`:            {"x", "aone", "twob"},
		`x "${EMPTY[*]}"`:             {"x", ""},
		`GET\ / HTTP/1.1\r\nHost:\ a`: {"GET /", "HTTP/1.1\r\nHost: a"},
	} {
		if words, faults := haproxy.Words(line, environment); !slices.Equal(words, want) || faults != nil {
			t.Errorf("%s: words %q, faults %q; want %q", line, words, faults, want)
		}
	}
	for line, want := range map[string]string{
		`a "b`:      `the quote " is not closed`,
		`a 'b`:      `the quote ' is not closed`,
		`"$NONE"`:   "the variable NONE is not set in the environment of this command",
		`"${PORT"`:  "the brace of a variable is not closed",
		`"$1"`:      "want the name of a variable",
		`"${}"`:     "want the name of a variable",
		`a\xz`:      `want two hexadecimal digits after \x`,
		`"$"`:       "want the name of a variable",
		`"${A.B}"`:  "the variable A is not set",
		`"x\x4"`:    `want two hexadecimal digits after \x`,
		`"${NONE}"`: "the variable NONE is not set",
	} {
		if _, faults := haproxy.Words(line, environment); len(faults) == 0 || !strings.Contains(faults[0], want) {
			t.Errorf("%s: faults %q, want %q", line, faults, want)
		}
	}
}
