using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>
/// Matrix products of a card by cuBLASLt: f32 operands added in f32 (never shortened to TF32), bf16 operands added in f32, E4M3 operands
/// added with fast accumulation up to <see cref="LongestFastSum"/> terms, beyond in f32.
/// </summary>
/// <remarks>
/// What the library is told about a product, and the algorithm that it proposes, are asked for once for every shape, layout and
/// alignment and kept; a product after that allocates nothing. Sums of split products meet in f32. Of large products several
/// proposals are timed once; the choice is kept on disk, so that later runs take the same, see <see cref="ProductChoices"/>.
/// TESSERA_CUDA_TUNE=0 takes the library's first proposal always.
/// Determinism: the same bits for the same product on the same card and library version with the same kept choices; rows of a
/// result may differ in the last bits between products with different numbers of rows.
/// Source: cuBLAS documentation, "Using the cuBLASLt API".
/// </remarks>
public sealed unsafe partial class CudaProducts : IDisposable
{
    // cuBLASLt's 15: no algorithm for these types and layouts.
    private const int NotSupported = 15;

    // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: parts of sums are kept and added in f32.
    private const uint ReducesInComputeType = 2;

    // The widest loads of its kernels are 16 bytes.
    private const int LargestAlignment = 16;

    /// <summary>
    /// Terms of a sum of E4M3 products that the card may add with the fewer bits of its fast accumulation: their error grows with the
    /// number of terms (5e-4 of the norm at 1,040, 3e-3 at 14,336), what they save shrinks (14 % of the time at 4,096, 3 % at 14,336).
    /// </summary>
    private const int LongestFastSum = 8192;

    // From here on the library knows factors of rows.
    private const nuint ScalesRows = 120900;

    private readonly CudaDevice _device;
    private readonly KernelCache _cache;
    private readonly Dictionary<Key, Plan> _plans = [];
    private ProductChoices? _choices;
    private nint _handle;
    private bool _disposed;

    internal CudaProducts(CudaDevice device, KernelCache cache)
    {
        _device = device;
        _cache = cache;
    }

    /// <summary>Shapes that were planned so far.</summary>
    public int PlannedShapes => _plans.Count;

    /// <summary>Puts a product into the device's stream, unless the library has no algorithm for it.</summary>
    /// <param name="product">What to multiply; no extent is 0.</param>
    /// <param name="a">A in the card's memory, aligned to its elements.</param>
    /// <param name="b">B.</param>
    /// <param name="c">C; overlaps neither.</param>
    /// <param name="accumulate">Whether the product is added to C or replaces it.</param>
    /// <param name="scalesA">Factors of A's rows, [M], where the product is scaled.</param>
    /// <param name="scalesB">Factors of the rows of a transposed B, [N], where the product is scaled.</param>
    /// <returns>Whether the library takes it; nothing happened if not.</returns>
    /// <exception cref="CudaException">The library fails.</exception>
    public bool TryMultiply(in CudaProduct product, nint a, nint b, nint c, bool accumulate, nint scalesA = 0, nint scalesB = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        nint workspace = _device.Stream.Workspace(_device);
        if (_device.IsPlanning)
        {
            return true;
        }

        _device.Context.MakeCurrent();
        Key key = KeyOf(product, a, b, c);
        if (!_plans.TryGetValue(key, out Plan? plan))
        {
            _plans.Add(key, plan = Find(key, a, b, c, accumulate, scalesA, scalesB));
        }

        if (plan.Description == 0)
        {
            return false;
        }

        if (product.IsScaled)
        {
            SetScales(plan.Description, scalesA, scalesB);
        }

        int status = Launch(plan, plan.Algorithm, a, b, c, accumulate, workspace);
        if (status != 0)
        {
            CublasLt.Check(status, "cublasLtMatmul", product.ToString());
        }

        return true;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        foreach (Plan plan in _plans.Values)
        {
            plan.Dispose();
        }

        if (_handle != 0)
        {
            _ = CublasLt.Destroy(_handle);
        }
    }

    /// <summary>Bytes, a power of two up to 16, that divide a matrix's address and the distance of its rows.</summary>
    private static int AlignmentOf(nint address, long stride, DType type)
    {
        long bits = address | (nint)(stride * (type == DType.FP8 ? 1 : type.Bytes())) | LargestAlignment;
        return (int)(bits & -bits);
    }

    private static CudaDataType TypeOf(DType type) => type switch
    {
        DType.FP8 => CudaDataType.R8FE4M3,
        DType.BF16 => CudaDataType.R16BF,
        _ => CudaDataType.R32F,
    };

    private static nint Layout(DType type, bool transposed, int rows, int columns, long stride)
    {
        // A stored row is a column of the library, whose matrices lie column by column. A single row has no stride.
        int stored = transposed ? columns : rows, together = transposed ? rows : columns;
        CublasLt.Check(
            CublasLt.MatrixLayoutCreate(
                out nint layout, TypeOf(type), (ulong)together, (ulong)stored, stored == 1 ? together : stride),
            "cublasLtMatrixLayoutCreate");
        return layout;
    }

    private static void Set(nint description, CublasLtMatmulAttribute attribute, bool transpose)
    {
        int operation = (int)(transpose ? CublasOperation.Transpose : CublasOperation.None);
        CublasLt.Check(
            CublasLt.MatmulDescSetAttribute(description, attribute, &operation, sizeof(int)), "cublasLtMatmulDescSetAttribute");
    }

    private static void Set<T>(nint description, CublasLtMatmulAttribute attribute, T value)
        where T : unmanaged => CublasLt.Check(
        CublasLt.MatmulDescSetAttribute(description, attribute, &value, (nuint)sizeof(T)), "cublasLtMatmulDescSetAttribute");

    // Our B is the library's first operand.
    private static void SetScales(nint description, nint scalesA, nint scalesB)
    {
        Set(description, CublasLtMatmulAttribute.ScalePointerA, scalesB);
        Set(description, CublasLtMatmulAttribute.ScalePointerB, scalesA);
    }

    private static void Set(nint preference, CublasLtPreferenceAttribute attribute, uint value) => CublasLt.Check(
        CublasLt.MatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(uint)), "cublasLtMatmulPreferenceSetAttribute");

    private int Launch(Plan plan, CublasLtAlgorithm algorithm, nint a, nint b, nint c, bool accumulate, nint workspace)
    {
        float alpha = 1f, beta = accumulate ? 1f : 0f;
        return CublasLt.Matmul(
            _handle, plan.Description, &alpha, b, plan.First, a, plan.Second, &beta, c, plan.Result, c, plan.Result, &algorithm,
            workspace, (nuint)CudaStream.WorkspaceBytes, _device.Stream.Handle);
    }

    private Plan Find(in Key key, nint a, nint b, nint c, bool accumulate, nint scalesA, nint scalesB)
    {
        if (_handle == 0)
        {
            CublasLt.Check(CublasLt.Create(out _handle), "cublasLtCreate");
            CudaCard card = _device.Card;
            _choices = new ProductChoices(_cache, $"products-{card.Architecture}-{card.Multiprocessors}-{CublasLt.GetVersion()}.txt");
        }

        // C [M, N] row by row is Cᵀ [N, M] column by column: op(B)ᵀ · op(A)ᵀ. So B comes first; and a stored matrix, read column by
        // column, is its transpose, so that our flags stay as they are.
        CudaProduct p = key.Product;
        var plan = new Plan();
        if (p.IsScaled && CublasLt.GetVersion() < ScalesRows)
        {
            return plan;
        }

        CublasLt.Check(CublasLt.MatmulDescCreate(out plan.Description, CublasCompute.F32, CudaDataType.R32F), "cublasLtMatmulDescCreate");
        Set(plan.Description, CublasLtMatmulAttribute.TransposeA, p.TransposeB);
        Set(plan.Description, CublasLtMatmulAttribute.TransposeB, p.TransposeA);
        if (p.OperandType == DType.FP8)
        {
            Set(plan.Description, CublasLtMatmulAttribute.FastAccumulation, (byte)(p.K <= LongestFastSum ? 1 : 0));
        }

        if (p.IsScaled)
        {
            Set(plan.Description, CublasLtMatmulAttribute.ScaleModeA, (int)CublasLtScale.OuterVector);
            Set(plan.Description, CublasLtMatmulAttribute.ScaleModeB, (int)CublasLtScale.OuterVector);
            SetScales(plan.Description, scalesA, scalesB);
        }

        plan.First = Layout(p.OperandType, p.TransposeB, p.K, p.N, p.BStride);
        plan.Second = Layout(p.OperandType, p.TransposeA, p.M, p.K, p.AStride);
        plan.Result = Layout(p.ResultType, false, p.M, p.N, p.CStride);
        CublasLtAlgorithm[] proposals = Propose(key, plan);
        if (proposals.Length == 0)
        {
            plan.Dispose();
            return plan;
        }

        plan.Algorithm = proposals[0];
        if (IsWorthTiming(p) && proposals.Length > 1)
        {
            plan.Algorithm = proposals[Choose(key, plan, proposals, a, b, c, accumulate)];
        }

        return plan;
    }

    /// <summary>What the library proposes, best first by its own reckoning; nothing where it has no algorithm.</summary>
    private CublasLtAlgorithm[] Propose(in Key key, Plan plan)
    {
        CublasLt.Check(CublasLt.MatmulPreferenceCreate(out nint preference), "cublasLtMatmulPreferenceCreate");
        try
        {
            ulong workspace = CudaStream.WorkspaceBytes;
            CublasLt.Check(
                CublasLt.MatmulPreferenceSetAttribute(
                    preference, CublasLtPreferenceAttribute.MaxWorkspaceBytes, &workspace, sizeof(ulong)),
                "cublasLtMatmulPreferenceSetAttribute");
            Set(preference, CublasLtPreferenceAttribute.ReductionSchemeMask, ReducesInComputeType);
            Set(preference, CublasLtPreferenceAttribute.MinAlignmentA, (uint)key.AlignmentB);
            Set(preference, CublasLtPreferenceAttribute.MinAlignmentB, (uint)key.AlignmentA);
            Set(preference, CublasLtPreferenceAttribute.MinAlignmentC, (uint)key.AlignmentC);
            Set(preference, CublasLtPreferenceAttribute.MinAlignmentD, (uint)key.AlignmentC);
            CublasLtHeuristic* results = stackalloc CublasLtHeuristic[Proposals];
            int status = CublasLt.MatmulAlgoGetHeuristic(
                _handle, plan.Description, plan.First, plan.Second, plan.Result, plan.Result, preference,
                IsWorthTiming(key.Product) ? Proposals : 1, results, out int found);
            if (status == NotSupported)
            {
                return [];
            }

            CublasLt.Check(status, "cublasLtMatmulAlgoGetHeuristic", key.Product.ToString());
            var proposals = new List<CublasLtAlgorithm>();
            for (int i = 0; i < found; i++)
            {
                if (results[i].State == 0)
                {
                    proposals.Add(results[i].Algorithm);
                }
            }

            return [.. proposals];
        }
        finally
        {
            _ = CublasLt.MatmulPreferenceDestroy(preference);
        }
    }

    private readonly record struct Key(CudaProduct Product, int AlignmentA, int AlignmentB, int AlignmentC);

    /// <summary>What the library needs for a product; nothing where it refuses.</summary>
    private sealed class Plan
    {
        public nint Description;
        public nint First;
        public nint Second;
        public nint Result;
        public CublasLtAlgorithm Algorithm;

        public void Dispose()
        {
            if (Description == 0)
            {
                return;
            }

            _ = CublasLt.MatmulDescDestroy(Description);
            _ = CublasLt.MatrixLayoutDestroy(First);
            _ = CublasLt.MatrixLayoutDestroy(Second);
            _ = CublasLt.MatrixLayoutDestroy(Result);
            Description = First = Second = Result = 0;
        }
    }
}
