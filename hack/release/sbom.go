// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"os"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/licensedetect/local"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// writeBOM writes the bill of materials of a program beside it: the modules that the toolchain has recorded in it, with their
// sums and licences.
func writeBOM(program string, s source) (err error) {
	generator, err := bin.NewGenerator(program, bin.WithLogger(zerolog.Nop()), bin.WithIncludeStdlib(true), bin.WithLicenseDetector(local.NewDetector(zerolog.Nop())))
	if err != nil {
		return err
	}
	bom, err := generator.Generate()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	// What identifies a bill is the program that it is of, and its time is that of the source.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, append([]byte(home+"/"), content...)).URN()
	bom.Metadata.Timestamp = s.time.Format(time.RFC3339)
	f, err := os.Create(program + ".cdx.json")
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	return cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}
