// SPDX-License-Identifier: Apache-2.0

package staticpod_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// The kubelet reads the folder of its manifests at any moment. It finds the whole old file or the whole new one, which only root
// may read, and no other file.
func ExampleWrite() {
	folder, err := os.MkdirTemp("", "manifests")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	for _, pod := range []string{"kind: Pod # old", "kind: Pod # new"} {
		if err := staticpod.Write(filepath.Join(folder, "ha.yaml"), []byte(pod)); err != nil {
			fmt.Println(err)
		}
	}
	files, _ := os.ReadDir(folder)
	for _, file := range files {
		content, _ := os.ReadFile(filepath.Join(folder, file.Name()))
		info, _ := file.Info()
		fmt.Printf("%s %s: %s\n", info.Mode(), file.Name(), content)
	}
	// Output:
	// -rw------- ha.yaml: kind: Pod # new
}
