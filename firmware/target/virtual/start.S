# From the first instruction to main, and from a trap to the panic record.

    .section .text.start, "ax"
    .globl _start
_start:
    csrw mie, zero
    la t0, trap_entry
    csrw mtvec, t0
    la sp, __stack_end
    li t0, 1 << 13              # mstatus.FS = initial: the FPU is on
    csrs mstatus, t0
    csrw fcsr, zero             # round to nearest, flags clear

    # What may be touched, locked also for this mode: as on a chip, where a wild pointer ends in a fault. The first
    # region that holds an address decides.
    la t0, protection
    lw t1, 0(t0)
    csrw pmpaddr0, t1
    lw t1, 4(t0)
    csrw pmpaddr1, t1
    lw t1, 8(t0)
    csrw pmpaddr2, t1
    lw t1, 12(t0)
    csrw pmpaddr3, t1
    lw t1, 16(t0)
    csrw pmpaddr4, t1
    lw t1, 20(t0)
    csrw pmpaddr5, t1
    lw t1, 24(t0)
    csrw pmpaddr6, t1
    lw t1, 28(t0)
    csrw pmpaddr7, t1
    lw t1, 32(t0)
    csrw pmpaddr8, t1
    li t1, 0x8B00989D           # regions 3 to 0
    csrw pmpcfg0, t1
    li t1, 0x999B9B9B           # regions 7 to 4
    csrw pmpcfg1, t1
    li t1, 0x98                 # region 8
    csrw pmpcfg2, t1

    la t0, __bss_start
    la t1, __bss_end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:  call start_heap
    la s0, __init_array_start
    la s1, __init_array_end
3:  bgeu s0, s1, 4f
    lw t0, 0(s0)
    jalr t0
    addi s0, s0, 4
    j 3b
4:  call main
    call abort

    .section .rodata.protection, "a"
    .balign 4
# NAPOT: address / 4 with (size / 8 - 1) in the low bits. TOR: the end / 4; it begins at the entry before it.
protection:
    .word (0x80000000 >> 2) + (0x200000 >> 3) - 1   # 0: program, read and execute            0x9D
    .word __guard_napot                             # 1: below the stack, nothing             0x98
    .word __ram_start_word                          # 2: where region 3 begins                0x00
    .word __ram_end_word                            # 3: data, heap and stack, read and write 0x8B
    .word (0x80E00000 >> 2) + (0x200000 >> 3) - 1   # 4: mailbox, read and write              0x9B
    .word __leds_napot                              # 5: page of the LED buffer, likewise     0x9B
    .word __sent_napot                              # 6: page of the bytes to be sent         0x9B
    .word (0x80800000 >> 2) + (0x800000 >> 3) - 1   # 7: recording, up to the mailbox, read   0x99
    .word (0x80000000 >> 2) + (0x1000000 >> 3) - 1  # 8: the rest of memory, nothing          0x98

    .section .text.trap, "ax"
    .balign 4
trap_entry:
    # A second trap, in here, ends the emulator without more words.
    la t0, trap_again
    csrw mtvec, t0
    mv a3, ra
    mv a4, sp
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    la sp, __trap_stack_end     # the other one may be the reason
    call on_trap

    .balign 4
trap_again:
    li t0, 0x100000
    li t1, (66 << 16) | 0x3333
    sw t1, 0(t0)
    j trap_again

    .section .bss.trap_stack, "aw", @nobits
    .balign 16
    .space 2048
__trap_stack_end:
