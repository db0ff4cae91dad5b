// SPDX-License-Identifier: Apache-2.0

package convert

import "bytes"

// Joined are files that a program reads one after the other as if they were one, such as those of haproxy.
type Joined []File

// File returns the files as one, each from the beginning of a line. It has the name of the first.
func (j Joined) File() File {
	var one File
	for i, file := range j {
		if i == 0 {
			one.Name = file.Name
		}
		one.Content = append(one.Content, file.Content...)
		if len(file.Content) > 0 && !bytes.HasSuffix(file.Content, []byte("\n")) {
			one.Content = append(one.Content, '\n')
		}
	}
	return one
}

// Locate gives each finding of the one file the name and the line of the file that it is from.
func (j Joined) Locate(found Findings) Findings {
	var located Findings
	for _, f := range found.all {
		if f.File == j.File().Name {
			f.File, f.Line = j.place(f.Line)
		}
		located.all = append(located.all, f)
	}
	return located
}

func (j Joined) place(line int) (name string, own int) {
	for _, file := range j {
		lines := bytes.Count(file.Content, []byte("\n"))
		if len(file.Content) > 0 && !bytes.HasSuffix(file.Content, []byte("\n")) {
			lines++
		}
		if name = file.Name; line <= lines {
			return name, line
		}
		own, line = line, line-lines
	}
	return name, own // behind the end of the last
}
