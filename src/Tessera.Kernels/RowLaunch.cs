using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>How row kernels are spread over workers, and the constants that keep their sums independent of it.</summary>
internal static unsafe class RowLaunch
{
    /// <summary>Tokens whose contributions to a column sum are added into one partial row; partial rows are added in order.</summary>
    public const int BlockTokens = 64;

    /// <summary>Elements whose contributions to a sum over a whole tensor form one partial sum.</summary>
    public const int BlockElements = 1 << 15;

    /// <summary>Below this many elements waking the other workers costs more than they save.</summary>
    private const long SmallestSharedWork = 4096;

    /// <summary>Runs a body on all workers, or on the caller alone where the work is small.</summary>
    public static void Run(CpuDevice cpu, delegate*<void*, int, int, void> body, void* arguments, long elements)
    {
        if (elements < SmallestSharedWork && !cpu.IsPlanning)
        {
            body(arguments, 0, 1);
        }
        else
        {
            cpu.Workers.Run(body, arguments);
        }
    }

    /// <summary>Blocks of <paramref name="size"/> that cover <paramref name="count"/>.</summary>
    public static int Blocks(long count, int size) => checked((int)((count + size - 1) / size));

    /// <summary>Checks the two sizes that every row kernel has.</summary>
    public static void CheckSizes(int tokens, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
    }
}
