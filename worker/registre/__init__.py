"""The register: the commune's electoral data, how it is fed and how it is read."""
