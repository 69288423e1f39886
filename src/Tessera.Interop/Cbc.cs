using System.Runtime.InteropServices;

namespace Tessera.Interop;

/// <summary>COIN-OR CBC, branch and cut for mixed-integer programs (Cbc_C_Interface.h of version 2.10).</summary>
internal static unsafe partial class Cbc
{
    static Cbc() => NativeLibraries.Install();

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_newModel")]
    public static partial nint NewModel();

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_deleteModel")]
    public static partial void DeleteModel(nint model);

    /// <summary>Columns in compressed form; bounds of columns and rows, and the objective, which is minimised.</summary>
    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_loadProblem")]
    public static partial void LoadProblem(
        nint model, int columnCount, int rowCount, int* start, int* index, double* value, double* columnLower, double* columnUpper,
        double* objective, double* rowLower, double* rowUpper);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_setInteger")]
    public static partial void SetInteger(nint model, int column);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_addSOS")]
    public static partial void AddSos(nint model, int rowCount, int* rowStarts, int* columns, double* weights, int type);

    /// <summary>As an option of the program's command line.</summary>
    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_setParameter")]
    public static partial void SetParameter(nint model, byte* name, byte* value);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_setLogLevel")]
    public static partial void SetLogLevel(nint model, int level);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_setMIPStartI")]
    public static partial void SetStart(nint model, int count, int* columns, double* values);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_solve")]
    public static partial int Solve(nint model);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_isProvenOptimal")]
    public static partial int IsProvenOptimal(nint model);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_isProvenInfeasible")]
    public static partial int IsProvenInfeasible(nint model);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_isInitialSolveProvenPrimalInfeasible")]
    public static partial int IsRelaxationInfeasible(nint model);

    /// <summary>One value a column, owned by the model; null where no solution was found.</summary>
    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_bestSolution")]
    public static partial double* BestSolution(nint model);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_getBestPossibleObjValue")]
    public static partial double BestPossibleObjective(nint model);

    [LibraryImport(NativeLibraries.Cbc, EntryPoint = "Cbc_getNodeCount")]
    public static partial int NodeCount(nint model);
}
