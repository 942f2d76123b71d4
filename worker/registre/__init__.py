"""The register: the electoral data of the communes, with its imports and queries."""
