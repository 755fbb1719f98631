package main

import (
	"fmt"
	"io"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/rs/zerolog"
)

// boms writes for each platform which modules are in its binary, as the binary
// itself says (CycloneDX 1.6, JSON).
func (r release) boms(b binaries) error {
	for _, p := range r.platforms {
		generator, err := bin.NewGenerator(b.path[p], bin.WithIncludeStdlib(true),
			bin.WithVersionOverride("v"+r.version), bin.WithLogger(zerolog.Nop()))
		if err != nil {
			return err
		}
		bom, err := generator.Generate()
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		// No serial number: it would be another one each time.
		bom.Metadata.Timestamp = r.time.Format(time.RFC3339)
		if err := createFile(r.name(p.String()+".cdx.json"), func(w io.Writer) error {
			return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
		}); err != nil {
			return err
		}
	}
	return nil
}
