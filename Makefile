# SPDX-License-Identifier: GPL-2.0
# The front door. What is done behind it stands in scripts/, a noun each; the
# kernel modules are described by Kbuild, what runs in user space by Cargo.toml.

# Words for the VM go through the environment as they were typed.
override RUN := $(value RUN)
export RUN ADD KERNEL LOAD ICOUNT TIMEOUT TOPOLOGY ROOT_PORT_IDE CAPTURE JSON T TARGET FILE

BUILD := $(CURDIR)/build

.PHONY: help demo check bench fuzz modules install shell vm clean distclean

help:
	@echo 'make demo [CAPTURE=file]  watch one device go the whole way, in a VM; what crosses'
	@echo '                          DOE goes into the file: pcapng, or *.pcap'
	@echo 'make check                test everything'
	@echo 'make bench [JSON=file]    count the instructions of each call'
	@echo 'make fuzz [T=seconds] [TARGET=name [FILE=input]]'
	@echo '                          fuzz the protocols, 600 s in all; or one target; or one input'
	@echo 'make shell                a prompt in the VM, with everything loaded'
	@echo "make vm RUN='command' [ADD='file ...'] [KERNEL=plain|debug] [LOAD=0]"
	@echo '        [ICOUNT=1] [TIMEOUT=seconds] [TOPOLOGY=endpoint|root-complex]'
	@echo '        [ROOT_PORT_IDE=0|1] [CAPTURE=file]'
	@echo '                          run one command in the VM, with these files in its'
	@echo '                          path; its output and status are ours'
	@echo 'make modules KDIR=dir     the kernel modules for a kernel of your own (into build/)'
	@echo 'make install KDIR=dir     and put them where modprobe finds them'
	@echo 'make clean                remove what was made of this source'
	@echo 'make distclean            remove the kernels, the sysroot, the whole cache too'
	@echo
	@echo 'Everything needed is fetched and built by the target that needs it, and kept'
	@echo 'in $${XDG_CACHE_HOME:-~/.cache}/iommufd-tsm.'

demo check bench fuzz shell:
	@scripts/$@

vm:
	@scripts/vm run

modules:
ifdef KDIR
	@scripts/check-kernel $(KDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(BUILD) modules
else
	@scripts/modules build plain
	@echo "for the rig's own kernel: $$(scripts/modules path plain)"
	@echo 'for another: make modules KDIR=/path/to/its/build/directory'
endif

install: modules
	$(if $(KDIR),,$(error install: KDIR=/path/to/the/build/directory/of/the/kernel))
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(BUILD) modules_install

clean:
	rm -rf $(BUILD)
	@scripts/clean

distclean:
	rm -rf $(BUILD)
	@scripts/clean all
