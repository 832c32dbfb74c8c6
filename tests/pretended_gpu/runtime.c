/* A pretended CUDA runtime, built on the public headers: it answers, and computes nothing. Device memory is host memory,
 * kernels do nothing. With it, torch sees a GPU: good for forks, contexts, devices, environment and verdicts, and never for
 * numbers or times. What it demands at its start is what public traces and reports say that driver 580 demands.
 * Which machine it pretends to be is said by empty files (run.sh makes them): two (GPUs), mig, turing (no bfloat16), colab
 * (libcuda lies in a folder of its own), full (out of memory), ecc, busy, hang, debug.
 */
#define _GNU_SOURCE
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int flag(const char*name){ char path[200]; snprintf(path,200,"/usr/share/doc/base-files/pretended-%s",name); return access(path,F_OK)==0; }
#define LOG(...) do{ if(flag("debug")) fprintf(stderr,"[pretended GPU, process %d] ",getpid()),fprintf(stderr,__VA_ARGS__); }while(0)

static pid_t inited; static int failed, ndev, map[8]; static __thread int last, cur; static int ctx;
static int denied;

/* Whether a device node cannot be opened. */
static int closed(const char*path,int flags){
  int fd=open(path,flags|O_CLOEXEC);
  if(fd<0){ LOG("%s: %s\n",path,strerror(errno)); return 1; }
  close(fd); return 0;
}

/* CUDA's own threads get a name. */
static void*namer(void*unused){
  char path[64]; snprintf(path,64,"/proc/self/task/%d/comm",(int)syscall(SYS_gettid));
  int fd=open(path,O_RDWR);
  if(fd<0){ LOG("%s: %s\n",path,strerror(errno)); denied=1; } else { write(fd,"cuda00001400006",15); close(fd); }
  return 0;
}

static int driver(void){
  if(flag("colab")&&!dlopen("libcuda.so.1",RTLD_NOW)){ LOG("libcuda.so.1 is not found\n"); return 35; }
  if(closed("/dev/nvidiactl",O_RDWR)||closed("/dev/nvidia0",O_RDWR)) return 100;
  if(closed("/dev/nvidia-uvm",O_RDWR)) return 999;
  if(closed("/dev/nvidia-uvm-tools",O_RDWR)) return 304;
  if(flag("mig")&&closed("/dev/nvidia-caps/nvidia-cap1",O_RDONLY)) return 100;
  if(memfd_create("cuda",MFD_CLOEXEC)<0){ LOG("memfd: %s\n",strerror(errno)); return 304; }
  struct sockaddr_un name={AF_UNIX}; snprintf(name.sun_path+1,100,"cuda-uvmfd-%d",getpid());
  int s=socket(AF_UNIX,SOCK_SEQPACKET|SOCK_CLOEXEC,0), size=offsetof(struct sockaddr_un,sun_path)+1+strlen(name.sun_path+1);
  if(s<0||bind(s,(void*)&name,size)||listen(s,1)){ LOG("socket: %s\n",strerror(errno)); return 304; }
  pthread_t thread;
  if(pthread_create(&thread,0,namer,0)){ LOG("thread: %s\n",strerror(errno)); return 304; }
  pthread_join(thread,0);
  return denied?304:0;
}

static int start(void){
  if(inited) return inited==getpid()?failed:3;                        /* after a fork: initialization error */
  inited=getpid();
  if((failed=driver())) return failed;
  int phys=flag("two")?2:1; const char*visible=getenv("CUDA_VISIBLE_DEVICES");
  if(visible){                                                        /* what follows an invalid number is not seen */
    char list[100]; strncpy(list,visible,99);
    for(char*p=strtok(list,",");p;p=strtok(0,",")){ int i=atoi(p); if(*p<'0'||*p>'9'||i>=phys) break; map[ndev++]=i; }
  } else for(ndev=0;ndev<phys;ndev++) map[ndev]=ndev;
  return failed=ndev?0:100;
}

#define R(x) return (cudaError_t)(last=(x))
#define S int e_=start(); if(e_) R(e_)
static cudaError_t context(){ if(ctx) return 0; if(flag("busy")) return 46; if(flag("hang")) pause(); LOG("context on GPU %d\n",map[cur]); ctx=1; return 0; }
#define C S; if((e_=context())) R(e_)
cudaError_t cudaGetDeviceCount(int*n){ *n=0; S; *n=ndev; R(0); }
cudaError_t cudaGetDevice(int*d){ S; *d=cur; R(0); }
cudaError_t cudaSetDevice(int d){ S; if(d<0||d>=ndev) R(101); cur=d; if(flag("busy")) R(46); R(0); }
cudaError_t cudaDriverGetVersion(int*v){ start(); *v=failed==35?0:13020; return 0; }
cudaError_t cudaRuntimeGetVersion(int*v){ *v=13020; return 0; }
cudaError_t cudaGetLastError(){ int l=last; last=0; return l; }
cudaError_t cudaPeekAtLastError(){ return last; }
const char* cudaGetErrorString(cudaError_t e){ return e==3?"initialization error":e==2?"out of memory":e==46?"CUDA-capable device(s) is/are busy or unavailable":e==304?"OS call failed or operation not supported on this OS":e==100?"no CUDA-capable device is detected":e==35?"CUDA driver version is insufficient for CUDA runtime version":e==999?"unknown error":e==214?"uncorrectable ECC error encountered":"a pretended error"; }
const char* cudaGetErrorName(cudaError_t e){ return "cudaErrorUnknown"; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp*p,int d){ S; memset(p,0,sizeof *p); snprintf(p->name,256,"NVIDIA Fake %c",'A'+map[d]);
  p->totalGlobalMem=(size_t)8<<30; p->sharedMemPerBlock=49152; p->regsPerBlock=65536; p->warpSize=32; p->maxThreadsPerBlock=1024; p->maxThreadsDim[0]=p->maxThreadsDim[1]=1024; p->maxThreadsDim[2]=64; p->maxGridSize[0]=2147483647; p->maxGridSize[1]=p->maxGridSize[2]=65535;
  p->major=flag("turing")?7:8; p->minor=flag("turing")?5:6; p->multiProcessorCount=40; p->maxThreadsPerMultiProcessor=1536; p->sharedMemPerMultiprocessor=102400; p->sharedMemPerBlockOptin=101376; p->l2CacheSize=4<<20; p->textureAlignment=512; p->regsPerMultiprocessor=65536; p->unifiedAddressing=1; p->maxBlocksPerMultiProcessor=16; p->memoryBusWidth=256; R(0); }
cudaError_t cudaDeviceGetAttribute(int*v,enum cudaDeviceAttr a,int d){ S; struct cudaDeviceProp p; cudaGetDeviceProperties(&p,d);
  switch((int)a){case 1:*v=1024;break;case 8:*v=49152;break;case 10:*v=32;break;case 16:*v=40;break;case 39:*v=1536;break;case 75:*v=p.major;break;case 76:*v=p.minor;break;case 97:*v=101376;break;case 38:*v=4<<20;break;default:*v=0;} R(0); }
cudaError_t cudaDeviceGetPCIBusId(char*b,int l,int d){ snprintf(b,l,"0000:00:0%d.0",d+1); return 0; }
cudaError_t cudaDeviceCanAccessPeer(int*c,int a,int b){ *c=0; return 0; }
cudaError_t cudaDeviceGetStreamPriorityRange(int*l,int*g){ if(l)*l=0; if(g)*g=-5; return 0; }
cudaError_t cudaMemGetInfo(size_t*f,size_t*t){ C; *f=(size_t)7<<30; *t=(size_t)8<<30; R(0); }
cudaError_t cudaMalloc(void**p,size_t n){ C; if(flag("full")) R(2); if(flag("ecc")) R(214); void*q=0; if(posix_memalign(&q,512,n?n:1)) R(2); memset(q,0,n); *p=q; R(0); }
cudaError_t cudaMallocAsync(void**p,size_t n,cudaStream_t s){ return cudaMalloc(p,n); }
cudaError_t cudaMallocManaged(void**p,size_t n,unsigned f){ return cudaMalloc(p,n); }
cudaError_t cudaHostAlloc(void**p,size_t n,unsigned f){ *p=calloc(1,n?n:1); return 0; }
cudaError_t cudaMallocHost(void**p,size_t n){ *p=calloc(1,n?n:1); return 0; }
cudaError_t cudaMemcpy(void*d,const void*s,size_t n,enum cudaMemcpyKind k){ C; memcpy(d,s,n); R(0); }
cudaError_t cudaMemcpyAsync(void*d,const void*s,size_t n,enum cudaMemcpyKind k,cudaStream_t t){ C; memcpy(d,s,n); R(0); }
cudaError_t cudaMemcpyPeerAsync(void*d,int dd,const void*s,int sd,size_t n,cudaStream_t t){ memcpy(d,s,n); return 0; }
cudaError_t cudaMemcpy2DAsync(void*d,size_t dp,const void*s,size_t sp,size_t w,size_t h,enum cudaMemcpyKind k,cudaStream_t t){ for(size_t i=0;i<h;i++) memcpy((char*)d+i*dp,(char*)s+i*sp,w); return 0; }
cudaError_t cudaMemset(void*d,int v,size_t n){ C; memset(d,v,n); R(0); }
cudaError_t cudaMemsetAsync(void*d,int v,size_t n,cudaStream_t t){ C; memset(d,v,n); R(0); }
static void*obj(){ return calloc(1,64); }
cudaError_t cudaStreamCreate(cudaStream_t*s){ C; *s=obj(); R(0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*s,unsigned f){ C; *s=obj(); R(0); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t*s,unsigned f,int p){ C; *s=obj(); R(0); }
cudaError_t cudaStreamGetPriority(cudaStream_t s,int*p){ *p=0; return 0; }
cudaError_t cudaStreamIsCapturing(cudaStream_t s,enum cudaStreamCaptureStatus*c){ *c=0; return 0; }
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s,enum cudaStreamCaptureStatus*c,unsigned long long*id,cudaGraph_t*g,const cudaGraphNode_t**d,const cudaGraphEdgeData**e,size_t*n){ *c=0; return 0; }
cudaError_t cudaEventCreate(cudaEvent_t*e){ C; *e=obj(); R(0); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*e,unsigned f){ C; *e=obj(); R(0); }
cudaError_t cudaEventElapsedTime(float*ms,cudaEvent_t a,cudaEvent_t b){ *ms=1; return 0; }
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes*a,const void*f){ memset(a,0,sizeof *a); a->maxThreadsPerBlock=1024; a->numRegs=32; a->binaryVersion=86; a->ptxVersion=86; return 0; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int*n,const void*f,int b,size_t s){ *n=2; return 0; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int*n,const void*f,int b,size_t s,unsigned fl){ *n=2; return 0; }
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes*a,const void*p){ memset(a,0,sizeof *a); a->type=2; a->devicePointer=(void*)p; return 0; }
cudaError_t cudaGetSymbolAddress(void**p,const void*s){ *p=calloc(1,1<<16); return 0; }
cudaError_t cudaLaunchKernel(const void*f,dim3 g,dim3 b,void**a,size_t m,cudaStream_t s){ C; R(0); }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*c,const void*f,void**a){ C; R(0); }
cudaError_t __cudaLaunchKernel(){ int e_=start(); return e_; }
void** __cudaRegisterFatBinary(void*f){ return obj(); }
cudaError_t __cudaGetKernel(void**k,const void*f){ *k=(void*)f; return 0; }
unsigned __cudaPushCallConfiguration(dim3 g,dim3 b,size_t m,void*s){ return 0; }
cudaError_t __cudaPopCallConfiguration(dim3*g,dim3*b,size_t*m,void*s){ return 0; }
cudaError_t cudaGetDriverEntryPointByVersion(const char*s,void**f,unsigned v,unsigned long long fl,enum cudaDriverEntryPointQueryResult*q){ *f=0; if(q)*q=1; return 500; }
