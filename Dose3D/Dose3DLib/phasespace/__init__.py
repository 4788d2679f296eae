"""Phase spaces of linear accelerators: files of particles in, arrays out; cm and MeV, in the frame of the file."""
