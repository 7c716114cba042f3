/* What libseccomp makes of profiles. Reads commands, one a line, from standard input:
 *
 *   number TOKEN NAME                       prints the call's number on that architecture
 *   begin DEFAULT FOREIGN                   a new filter, for no architecture yet
 *   arch TOKEN
 *   rule VERDICT NAME COUNT {INDEX OP VALUE TWO}...
 *   end                                     prints the program's size, its bytes in hex
 *
 * A line that cannot be carried out ends the program with a message. */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what, int rc)
{
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void check(const char *what, int rc)
{
	if (rc != 0)
		fail(what, rc);
}

static void print_program(scmp_filter_ctx filter)
{
	unsigned char bytes[8 * 4096];
	size_t size, at;
	FILE *file = tmpfile();

	if (!file)
		fail("tmpfile", -errno);
	check("export", seccomp_export_bpf(filter, fileno(file)));
	rewind(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	printf("%zu ", size);
	for (at = 0; at < size; at++)
		printf("%02x", bytes[at]);
	printf("\n");
}

static void add_rule(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp comparisons[6];
	uint32_t verdict;
	unsigned count, i;
	char name[64];
	int number;

	if (scanf("%" SCNu32 " %63s %u", &verdict, name, &count) != 3 || count > 6)
		fail("rule", -EINVAL);
	for (i = 0; i < count; i++) {
		unsigned index, op;
		uint64_t value, two;

		if (scanf("%u %u %" SCNu64 " %" SCNu64, &index, &op, &value, &two) != 4)
			fail("comparison", -EINVAL);
		comparisons[i].arg = index;
		comparisons[i].op = op;
		comparisons[i].datum_a = value;
		comparisons[i].datum_b = two;
	}
	number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR)
		fail(name, -ENOENT);
	check(name, seccomp_rule_add_array(filter, verdict, number, count, comparisons));
}

int main(void)
{
	scmp_filter_ctx filter = NULL;
	char command[16], name[64];
	uint32_t one, two;

	while (scanf("%15s", command) == 1) {
		if (!strcmp(command, "number")) {
			if (scanf("%" SCNu32 " %63s", &one, name) != 2)
				fail(command, -EINVAL);
			printf("%d\n", seccomp_syscall_resolve_name_arch(one, name));
		} else if (!strcmp(command, "begin")) {
			if (scanf("%" SCNu32 " %" SCNu32, &one, &two) != 2)
				fail(command, -EINVAL);
			filter = seccomp_init(one);
			if (!filter)
				fail("seccomp_init", -EINVAL);
			check("foreign", seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, two));
			check("remove", seccomp_arch_remove(filter, seccomp_arch_native()));
		} else if (!strcmp(command, "arch")) {
			if (scanf("%" SCNu32, &one) != 1)
				fail(command, -EINVAL);
			check(command, seccomp_arch_add(filter, one));
		} else if (!strcmp(command, "rule")) {
			add_rule(filter);
		} else if (!strcmp(command, "end")) {
			print_program(filter);
			seccomp_release(filter);
		} else {
			fail(command, -EINVAL);
		}
	}
	return 0;
}
