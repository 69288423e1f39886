using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>cudaDataType_t.</summary>
internal enum CudaDataType
{
    R32F = 0,
    R16F = 2,
    R8I = 3,
    R32I = 10,
    R16BF = 14,
    R8FE4M3 = 28,
    R8FE5M2 = 29,
}

/// <summary>cublasComputeType_t: what products are added in.</summary>
internal enum CublasCompute
{
    /// <summary>f32 throughout; f32 operands are not shortened unless a fast type asks for it.</summary>
    F32 = 68,
    F32Pedantic = 69,
}

/// <summary>cublasOperation_t.</summary>
internal enum CublasOperation
{
    None = 0,
    Transpose = 1,
}

/// <summary>cublasLtMatmulDescAttributes_t.</summary>
internal enum CublasLtMatmulAttribute
{
    ComputeType = 0,
    ScaleType = 1,
    PointerMode = 2,
    TransposeA = 3,
    TransposeB = 4,
    Epilogue = 7,
    BiasPointer = 8,
    ScalePointerA = 17,
    ScalePointerB = 18,
    FastAccumulation = 25,
    ScaleModeA = 31,
    ScaleModeB = 32,
}

/// <summary>cublasLtMatmulMatrixScale_t, from 12.9 on.</summary>
internal enum CublasLtScale
{
    /// <summary>One factor for the matrix.</summary>
    Scalar = 0,

    /// <summary>One factor for every row of the first operand, or column of the second, as the library counts.</summary>
    OuterVector = 3,
}

/// <summary>cublasLtMatrixLayoutAttribute_t.</summary>
internal enum CublasLtLayoutAttribute
{
    Type = 0,
    Order = 1,
    Rows = 2,
    Columns = 3,
    Leading = 4,
    BatchCount = 5,
    StridedBatchOffset = 6,
}

/// <summary>cublasLtMatmulPreferenceAttributes_t.</summary>
internal enum CublasLtPreferenceAttribute
{
    SearchMode = 0,
    MaxWorkspaceBytes = 1,
    ReductionSchemeMask = 3,
    MinAlignmentA = 5,
    MinAlignmentB = 6,
    MinAlignmentC = 7,
    MinAlignmentD = 8,
    MaxWaves = 9,
    ImplementationMask = 12,
}

/// <summary>cublasLtMatmulAlgoConfigAttributes_t.</summary>
internal enum CublasLtAlgorithmAttribute
{
    Id = 0,
    Tile = 1,
    SplitK = 2,
    ReductionScheme = 3,
    Swizzling = 4,
    CustomOption = 5,
    Stages = 6,
}

/// <summary>cublasLtMatmulAlgo_t: 64 opaque bytes, valid in this process for its version of the library.</summary>
[InlineArray(8)]
internal struct CublasLtAlgorithm
{
    private ulong _data;
}

/// <summary>cublasLtMatmulHeuristicResult_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CublasLtHeuristic
{
    public CublasLtAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public int State;
    public float Waves;
    public int Reserved0;
    public int Reserved1;
    public int Reserved2;
    public int Reserved3;
}
