using System.Reflection;
using System.Runtime.InteropServices;

// The resolver below finds the names given to the loader.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace Tessera.Peers;

/// <summary>
/// The few functions of llama.cpp's C interface that a comparison needs (release v0.5.0, as the npm package node-llama-cpp
/// 3.22.1 brings it prebuilt).
/// </summary>
/// <remarks>
/// Settings are structures that the library fills with its defaults and takes by value; they are held here as opaque bytes, larger
/// than they are, of which only the fields named below are touched. Source: include/llama.h of that release.
/// </remarks>
internal static unsafe partial class LlamaCpp
{
    public const string Release = "llama.cpp v0.5.0";

    /// <summary>GGML_TYPE_F32.</summary>
    public const int F32 = 0;

    /// <summary>LLAMA_FLASH_ATTN_TYPE_DISABLED.</summary>
    public const int Disabled = 0;

    private const string Library = "llama";
    private const string Backends = "ggml";

    /// <summary>llama_model_params, 80 bytes, and llama_context_params, 152 bytes, in that release.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Settings
    {
        public fixed byte Bytes[512];
    }

    /// <summary>llama_batch.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Batch
    {
        public int TokenCount;
        public int* Tokens;
        public float* Embeddings;
        public int* Positions;
        public int* SequenceCounts;
        public int** Sequences;
        public sbyte* Outputs;
    }

    /// <summary>Byte offsets of fields of llama_context_params.</summary>
    public static class ContextField
    {
        public const int Context = 0;
        public const int LogicalBatch = 4;
        public const int PhysicalBatch = 8;
        public const int Threads = 28;
        public const int BatchThreads = 32;
        public const int FlashAttention = 52;
        public const int KeyType = 104;
        public const int ValueType = 108;
    }

    /// <summary>Looks the libraries up in one folder.</summary>
    public static void LoadFrom(string folder)
    {
        NativeLibrary.SetDllImportResolver(Assembly.GetExecutingAssembly(), (name, _, _) =>
        {
            string? file = Directory.GetFiles(folder, $"lib{name}*.so*")
                .FirstOrDefault(path => System.IO.Path.GetFileName(path) == $"lib{name}.so"
                    || System.IO.Path.GetFileName(path).StartsWith($"lib{name}.v", StringComparison.Ordinal));
            return file is null ? 0 : NativeLibrary.Load(file);
        });
        SetLog(&Quiet, null);
        LoadBackends(folder);
        Initialise();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static void Quiet(int level, byte* text, void* data)
    {
        if (level >= 4)
        {
            Console.Error.Write(Marshal.PtrToStringUTF8((nint)text));
        }
    }

    [LibraryImport(Library, EntryPoint = "llama_log_set")]
    private static partial void SetLog(delegate* unmanaged[Cdecl]<int, byte*, void*, void> callback, void* data);

    [LibraryImport(Backends, EntryPoint = "ggml_backend_load_all_from_path", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void LoadBackends(string folder);

    [LibraryImport(Library, EntryPoint = "llama_backend_init")]
    private static partial void Initialise();

    [LibraryImport(Library, EntryPoint = "llama_model_default_params")]
    public static partial Settings ModelDefaults();

    [LibraryImport(Library, EntryPoint = "llama_context_default_params")]
    public static partial Settings ContextDefaults();

    [LibraryImport(Library, EntryPoint = "llama_model_load_from_file", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint LoadModel(string path, Settings settings);

    [LibraryImport(Library, EntryPoint = "llama_init_from_model")]
    public static partial nint CreateContext(nint model, Settings settings);

    [LibraryImport(Library, EntryPoint = "llama_free")]
    public static partial void FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "llama_model_free")]
    public static partial void FreeModel(nint model);

    [LibraryImport(Library, EntryPoint = "llama_get_memory")]
    public static partial nint Memory(nint context);

    [LibraryImport(Library, EntryPoint = "llama_memory_clear")]
    public static partial void ClearMemory(nint memory, [MarshalAs(UnmanagedType.U1)] bool data);

    [LibraryImport(Library, EntryPoint = "llama_batch_get_one")]
    public static partial Batch OneSequence(int* tokens, int count);

    [LibraryImport(Library, EntryPoint = "llama_decode")]
    public static partial int Decode(nint context, Batch batch);

    [LibraryImport(Library, EntryPoint = "llama_get_logits_ith")]
    public static partial float* Logits(nint context, int index);
}
